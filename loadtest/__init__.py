"""The load test: puts a service under load over HTTP, measures it, and audits the money afterwards.

It knows the HTTP contract and nothing else of walletd, so it drives any service that speaks the same endpoints. Run it with
`python -m walletd.loadtest`.
"""

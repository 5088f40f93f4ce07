# Two stages: the first has pip and a compiler's worth of tools, the second only what runs.
FROM python:3.13-slim AS build
WORKDIR /source
COPY requirements/runtime.txt requirements/runtime.txt
RUN python -m venv /opt/walletd && /opt/walletd/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY . .
RUN /opt/walletd/bin/pip install --no-cache-dir --no-deps . && /opt/walletd/bin/pip uninstall --yes pip

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin walletd \
    && install --directory --owner walletd --group walletd --mode 0700 /data
COPY --from=build /opt/walletd /opt/walletd
ENV PATH=/opt/walletd/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    WALLETD_DATA=/data \
    WALLETD_HOST=0.0.0.0 \
    WALLETD_PORT=8000 \
    WALLETD_UNSAFE_ALLOW_UNAUTHENTICATED_NETWORK=true
USER walletd
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["walletd"]
CMD ["serve"]

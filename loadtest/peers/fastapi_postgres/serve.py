"""Serves the peer with two worker processes of uvicorn on a port that the system chooses."""

import uvicorn
from uvicorn.supervisors import Multiprocess


def main() -> None:
    config = uvicorn.Config(
        "app:app", host="127.0.0.1", port=0, workers=2, loop="uvloop", http="httptools", access_log=False, log_level="warning",
        backlog=1024,
    )  # fmt: skip
    socket = config.bind_socket()
    socket.listen(config.backlog)  # requests wait until the workers are up
    host, port = socket.getsockname()
    print(f"peer is ready at http://{host}:{port}", flush=True)
    Multiprocess(config, sockets=[socket]).run()


if __name__ == "__main__":
    main()

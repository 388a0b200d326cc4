"""A worker that empties the queue, in place of Celery's: `python worker.py`. While it is stopped, the queue grows."""

import json
import os

import structlog
from redis import Redis

import shipper_processors

QUEUE = "celery"


def main() -> None:
    """Process tasks until stopped; each is logged with the correlation id of its request."""
    shipper_processors.configure("worker")
    log = structlog.get_logger("worker")
    redis = Redis.from_url(os.environ["REDIS_URL"])
    while True:
        if (item := redis.brpop([QUEUE], timeout=5)) is not None:
            task = json.loads(item[1])
            log.info("task_done", task=task["task"], correlation_id=task["correlation_id"])


if __name__ == "__main__":
    main()

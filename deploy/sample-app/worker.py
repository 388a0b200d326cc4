"""The worker that empties the queue, as Celery's would: `python worker.py`. Stop it, and the queue builds up."""

import json
import os

import structlog
from redis import Redis

import shipper_processors

QUEUE = "celery"


def main() -> None:
    """Take tasks until stopped; each is logged under the correlation id of the request that queued it."""
    shipper_processors.configure("worker")
    log = structlog.get_logger("worker")
    redis = Redis.from_url(os.environ["REDIS_URL"])
    while True:
        if (item := redis.brpop([QUEUE], timeout=5)) is not None:
            task = json.loads(item[1])
            log.info("task_done", task=task["task"], correlation_id=task["correlation_id"])


if __name__ == "__main__":
    main()

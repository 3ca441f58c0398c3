import logging
import os
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from rushhour_logs import LogHandler, RequestLog, Sender

SERVICE = "songs"
sender = Sender()
logging.basicConfig(level=logging.INFO, handlers=[LogHandler(sender, SERVICE), logging.StreamHandler()])
log = logging.getLogger("songs.store")


@asynccontextmanager
async def lifespan(_app: FastAPI):
    yield
    sender.close()  # behind the last request; uvicorn then ends by the signal, without atexit


app = FastAPI(lifespan=lifespan)
app.add_middleware(RequestLog, sender=sender, service=SERVICE)


@app.get("/songs/{song_id}")
def read(song_id: int) -> dict:
    log.info("a song was read", extra={"song_id": song_id})
    return {"id": song_id}


@app.delete("/songs/{song_id}")
def remove(song_id: int) -> None:
    raise RuntimeError("the record is scratched")


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "3000")), log_config=None)

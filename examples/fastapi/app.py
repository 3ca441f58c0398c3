import logging
import os

import uvicorn
from fastapi import FastAPI

from rushhour_logs import LogHandler, RequestLog, Sender

SERVICE = "songs"
sender = Sender()
logging.basicConfig(level=logging.INFO, handlers=[LogHandler(sender, SERVICE), logging.StreamHandler()])
log = logging.getLogger("songs.store")

app = FastAPI()
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
    sender.close()

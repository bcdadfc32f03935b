"""FastAPI with PyMongo's asynchronous client and orjson: the same three routes, without error handling."""

import os
from typing import Any

import orjson
from bson import ObjectId
from fastapi import FastAPI, Request, Response
from pymongo import AsyncMongoClient

app = FastAPI()
documents: Any = AsyncMongoClient(os.environ["MONGODB_URI"])[os.environ["MONGODB_DATABASE"]].data


@app.get("/data")
async def newest(limit: int = 20, filter: str = "{}") -> Response:
    found = await documents.find(orjson.loads(filter)).sort("_id", -1).limit(limit).to_list()
    return _json(found)


@app.get("/data/{id}")
async def one(id: str) -> Response:
    return _json(await documents.find_one({"_id": ObjectId(id)}))


@app.post("/data")
async def store(request: Request) -> Response:
    result = await documents.insert_one(orjson.loads(await request.body()))
    return _json({"id": result.inserted_id}, 201)


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value, str), status, media_type="application/json")

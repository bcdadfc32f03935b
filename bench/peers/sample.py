"""Flask with PyMongo as in a tutorial: the same three routes, without error handling."""

import json
import os

from bson import ObjectId
from flask import Flask, Response, jsonify, request
from pymongo import MongoClient

app = Flask(__name__)
documents = MongoClient(os.environ["MONGODB_URI"])[os.environ["MONGODB_DATABASE"]].data


@app.get("/data")
def newest() -> Response:
    limit = request.args.get("limit", 20, type=int)
    condition = json.loads(request.args.get("filter", "{}"))
    found = list(documents.find(condition).sort("_id", -1).limit(limit))
    for each in found:
        each["_id"] = str(each["_id"])
    return jsonify(found)


@app.get("/data/<id>")
def one(id: str) -> Response:
    found = documents.find_one({"_id": ObjectId(id)})
    found["_id"] = str(found["_id"])
    return jsonify(found)


@app.post("/data")
def store() -> tuple[Response, int]:
    result = documents.insert_one(request.get_json())
    return jsonify(id=str(result.inserted_id)), 201

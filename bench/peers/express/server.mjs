// Express with MongoDB's driver, as in their guides: the same three routes, without error handling.
import express from "express";
import { MongoClient, ObjectId } from "mongodb";

const documents = new MongoClient(process.env.MONGODB_URI).db(process.env.MONGODB_DATABASE).collection("data");
const app = express();
app.use(express.json({ limit: "1mb" }));

app.get("/data", async (request, response) => {
  const { limit = "20", filter = "{}" } = request.query;
  response.json(await documents.find(JSON.parse(filter)).sort({ _id: -1 }).limit(Number(limit)).toArray());
});

app.get("/data/:id", async (request, response) => {
  response.json(await documents.findOne({ _id: new ObjectId(request.params.id) }));
});

app.post("/data", async (request, response) => {
  const { insertedId } = await documents.insertOne(request.body);
  response.status(201).json({ id: insertedId });
});

app.listen(Number(process.env.PORT), "127.0.0.1");

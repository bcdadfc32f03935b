// Go's net/http with MongoDB's driver, as in their guides: the same three routes, without error handling.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

var documents *mongo.Collection

func main() {
	// Without this, an inner document would become a list of names and values in JSON.
	types := &options.BSONOptions{DefaultDocumentM: true}
	client, err := mongo.Connect(options.Client().ApplyURI(os.Getenv("MONGODB_URI")).SetBSONOptions(types))
	if err != nil {
		log.Fatal(err)
	}
	documents = client.Database(os.Getenv("MONGODB_DATABASE")).Collection("data")
	http.HandleFunc("GET /data", newest)
	http.HandleFunc("GET /data/{id}", one)
	http.HandleFunc("POST /data", store)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

func newest(response http.ResponseWriter, request *http.Request) {
	limit, _ := strconv.ParseInt(request.URL.Query().Get("limit"), 10, 64)
	condition := bson.M{}
	if text := request.URL.Query().Get("filter"); text != "" {
		_ = json.Unmarshal([]byte(text), &condition)
	}
	newestFirst := options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(limit)
	cursor, err := documents.Find(request.Context(), condition, newestFirst)
	found := []bson.M{}
	if err == nil {
		err = cursor.All(context.Background(), &found)
	}
	answer(response, http.StatusOK, found, err)
}

func one(response http.ResponseWriter, request *http.Request) {
	id, _ := bson.ObjectIDFromHex(request.PathValue("id"))
	var found bson.M
	err := documents.FindOne(request.Context(), bson.M{"_id": id}).Decode(&found)
	answer(response, http.StatusOK, found, err)
}

func store(response http.ResponseWriter, request *http.Request) {
	var document bson.M
	err := json.NewDecoder(request.Body).Decode(&document)
	if err != nil {
		answer(response, 0, nil, err)
		return
	}
	result, err := documents.InsertOne(request.Context(), document)
	if err != nil {
		answer(response, 0, nil, err)
		return
	}
	answer(response, http.StatusCreated, bson.M{"id": result.InsertedID}, nil)
}

func answer(response http.ResponseWriter, status int, value any, err error) {
	if err != nil {
		http.Error(response, err.Error(), http.StatusInternalServerError)
		return
	}
	response.Header().Set("Content-Type", "application/json")
	response.WriteHeader(status)
	_ = json.NewEncoder(response).Encode(value)
}

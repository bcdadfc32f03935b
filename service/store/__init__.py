"""Access to MongoDB. In the data service only this package imports pymongo and bson; the sidecar and the backup are
programs of their own.

client        the driver's client: connects, and begins anew        limits      time and slots that requests share
collection    writes and reads of one collection                    listeners   what the driver tells of its commands
codec         documents between BSON, Python and JSON               outcomes    the store's errors
keys          the _id of documents, as clients see it               paging      positions between pages

Writes are majority-acknowledged, journaled and retried by the driver until the request's deadline: a restart of MongoDB
delays a writer and fails no write. Concurrent inserts share a command.
"""

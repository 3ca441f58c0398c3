import express from "express";
import { createPublisher, nodeRequestLog, noteError } from "rushhour";

const { KAFKA_BROKERS = "127.0.0.1:9092", PORT = "3000" } = process.env;
const publisher = createPublisher({ brokers: KAFKA_BROKERS.split(","), service: "books" });

const app = express();
app.use(nodeRequestLog(publisher.publish, { service: "books" })); // first: what answers before it leaves no record

const books = express.Router();
books.get("/:id", (request, response) => response.json({ id: request.params.id }));
books.delete("/:id", () => {
  throw new Error("the shelf is locked");
});
app.use("/books", books);

// Behind all routes: what a handler threw becomes part of the record.
app.use((error, request, response, next) => {
  noteError(request, error);
  next(error);
});

const server = app.listen(Number(PORT), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/books/7`);
});
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => server.close(() => publisher.close())); // last: requests in flight leave records too
}

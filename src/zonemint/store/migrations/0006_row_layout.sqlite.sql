-- Where a table is its primary key's index, SQLite puts the rest of each row above a quarter page on a page of its own.
-- What a validation tells is that long, so stories are an ordinary table, where rows share pages whatever their size.
CREATE TABLE traces_0006 (
  order_id TEXT NOT NULL REFERENCES orders (id),
  id TEXT NOT NULL,
  events TEXT NOT NULL,
  PRIMARY KEY (order_id, id)
);
INSERT INTO traces_0006 (order_id, id, events) SELECT order_id, id, events FROM traces ORDER BY order_id, id;
DROP TABLE traces;
ALTER TABLE traces_0006 RENAME TO traces;

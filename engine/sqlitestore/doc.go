// Package sqlitestore keeps runs and documents in one SQLite file. It
// implements engine.Store and engine.Documents; engine/storetest judges it.
//
// It must not know what a fact, a document or a head says: bodies are bytes.
//
// How it is built:
//   - One goroutine writes. It takes every act that is queued, executes them in
//     one transaction, commits once (WAL, synchronous=FULL) and then answers
//     everybody. An act checks everything before its first write; one that fails
//     after a write is rolled back and the others are executed again without it.
//   - The log is both the stream that Follow reads and the facts of the strands:
//     a strand's rows are a chain through it (log.prev), so a settle writes one
//     row of the log and one row of the strand and touches no index.
//   - A lease's token begins with the row of its strand, so a settle is found
//     without a look into an index.
//   - One process is the worker, by an OS lock on the file beside the database.
//     Other processes may make small acts; the worker sees them by PRAGMA
//     data_version.
package sqlitestore

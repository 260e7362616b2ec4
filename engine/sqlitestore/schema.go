package sqlitestore

// applicationID marks the file as ours (PRAGMA application_id): "stan".
const applicationID = 0x7374616e

// The states of a strand. SQL texts hold them as digits, because a partial
// index is used only where the literal stands.
const (
	stQueued  = 0 // its run waits for a concurrency key
	stDue     = 1
	stLeased  = 2
	stWaiting = 3
	stJoining = 4
	stEnded   = 5
)

// The kinds of log rows.
const (
	logBegin    = 1 // seq: run; word: status; body: head
	logStrand   = 2 // ref: strand; state, word: what it waits for; body: facts
	logSignal   = 3 // the same, come by Signal
	logRun      = 4 // ref: run; word: status; body: cancel mark
	logDocument = 5 // ref: document
	logDeleted  = 6 // word: kind; body: key
	logAudit    = 7 // ref: number of the audit record
)

// migrations bring a file from version i to i+1; version 0 is an empty file.
// One that has been released is never changed.
func migrations() []string { return []string{schema1, schema2, schema3, schema4} }

const schema1 = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- A run's id is the number of the log row of its Begin, which has its head.
CREATE TABLE runs (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, playbook TEXT NOT NULL, subject TEXT NOT NULL,
  dedupe TEXT NOT NULL, edition TEXT NOT NULL, mode TEXT NOT NULL, lane INTEGER NOT NULL,
  concurrency TEXT NOT NULL, begun INTEGER NOT NULL,
  status TEXT NOT NULL, cancel TEXT NOT NULL, ended INTEGER NOT NULL, result BLOB);
CREATE UNIQUE INDEX runs_name ON runs(name);
CREATE UNIQUE INDEX runs_dedupe ON runs(playbook, subject, dedupe) WHERE dedupe <> '';
CREATE INDEX runs_key ON runs(concurrency, id) WHERE concurrency <> '' AND ended = 0;

-- A strand's position is seq, its lease's secret token, its highest fact number n, its newest log row tail.
-- told is the cancel mark its holder knows. joined is the window whose join fired.
CREATE TABLE strands (
  id INTEGER PRIMARY KEY, run INTEGER NOT NULL, path TEXT NOT NULL,
  parent INTEGER NOT NULL, win INTEGER NOT NULL, idx INTEGER NOT NULL, lane INTEGER NOT NULL,
  state INTEGER NOT NULL, due INTEGER NOT NULL, at INTEGER NOT NULL,
  token TEXT NOT NULL DEFAULT '', lease INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0,
  seq INTEGER NOT NULL DEFAULT 0, n INTEGER NOT NULL DEFAULT 0, tail INTEGER NOT NULL DEFAULT 0,
  cancel TEXT NOT NULL DEFAULT '', told TEXT NOT NULL DEFAULT '', thaw INTEGER NOT NULL DEFAULT 0,
  what TEXT NOT NULL DEFAULT '', joined INTEGER NOT NULL DEFAULT 0,
  request TEXT NOT NULL DEFAULT '', answer BLOB, outcome TEXT NOT NULL DEFAULT '', result BLOB);
CREATE UNIQUE INDEX strands_path ON strands(run, path);
CREATE UNIQUE INDEX strands_child ON strands(win, idx) WHERE win > 0;
CREATE INDEX strands_due ON strands(lane, due, id) WHERE state = 1;
CREATE INDEX strands_timer ON strands(due, id) WHERE state IN (2, 3) AND due > 0;
CREATE INDEX strands_thaw ON strands(id) WHERE state = 3 AND thaw = 1;

-- One row for each Open: the cursor of its window.
CREATE TABLE windows (
  id INTEGER PRIMARY KEY, strand INTEGER NOT NULL, path TEXT NOT NULL, count INTEGER NOT NULL,
  size INTEGER NOT NULL, next INTEGER NOT NULL, live INTEGER NOT NULL,
  failfast INTEGER NOT NULL, stopped INTEGER NOT NULL);
-- Items in chunks; id is the window's id and the number of the chunk's first item.
CREATE TABLE items (id INTEGER PRIMARY KEY, body BLOB NOT NULL);

CREATE TABLE log (
  seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, at INTEGER NOT NULL, ref INTEGER NOT NULL,
  prev INTEGER NOT NULL, n INTEGER NOT NULL, state INTEGER NOT NULL, word TEXT NOT NULL, body BLOB);
CREATE INDEX log_deleted ON log(seq) WHERE kind = 6;

CREATE TABLE audit (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL, sha256 BLOB NOT NULL);
CREATE TABLE requests (id INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, answer BLOB);
CREATE TABLE freeze (id INTEGER PRIMARY KEY CHECK (id = 1), frozen INTEGER NOT NULL, by TEXT NOT NULL,
  reason TEXT NOT NULL, at INTEGER NOT NULL);
INSERT INTO freeze VALUES (1, 0, '', '', 0);

CREATE TABLE caps (name TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE takes (name TEXT NOT NULL, target TEXT NOT NULL, effect TEXT NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY (name, target, effect)) WITHOUT ROWID;
CREATE INDEX takes_effect ON takes(name, effect);
CREATE INDEX takes_until ON takes(name, until) WHERE until > 0;

-- A document's version is the log row of its last Put: it never comes again.
CREATE TABLE documents (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL,
  at INTEGER NOT NULL, expires INTEGER NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX documents_key ON documents(kind, key);
CREATE INDEX documents_expires ON documents(expires) WHERE expires > 0;
CREATE TABLE holds (name TEXT PRIMARY KEY, holder TEXT NOT NULL, token INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
`

// schema2 lets windows be opened under a mark, and runs begin later: a queued
// root with a due time waits for that time, one without for its key.
const schema2 = `
ALTER TABLE windows ADD COLUMN under TEXT NOT NULL DEFAULT '';
UPDATE strands SET due = 0 WHERE state = 0;
CREATE INDEX strands_later ON strands(due, id) WHERE state = 0 AND due > 0;
`

// schema3 finds the strands of a run that have neither ended nor opened others.
const schema3 = `
CREATE INDEX strands_live ON strands(run, state, what) WHERE state < 4;
`

// schema4 keeps budgets: until when each of their windows is used up, and who
// waits for them, by whose turn it is.
const schema4 = `
CREATE TABLE budgets (name TEXT PRIMARY KEY, paused INTEGER NOT NULL, pace INTEGER NOT NULL, cut INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE spent (budget TEXT NOT NULL, per INTEGER NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (budget, per)) WITHOUT ROWID;
CREATE TABLE draws (budget TEXT NOT NULL, request TEXT NOT NULL, turn INTEGER NOT NULL, until INTEGER NOT NULL,
  units INTEGER NOT NULL, who TEXT NOT NULL, PRIMARY KEY (budget, request)) WITHOUT ROWID;
CREATE INDEX draws_turn ON draws(budget, turn, units);
CREATE INDEX draws_until ON draws(budget, until);
CREATE INDEX draws_who ON draws(budget, who);
`

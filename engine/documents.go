package engine

import (
	"context"
	"time"
)

// Documents keeps everything that is a document: incidents, editions,
// watermarks, the registry of approvals, own writes.
type Documents interface {
	// Put writes a document if its version is still d.Version (0: there is
	// none yet, AnyVersion: whatever it is) and answers the new version, or
	// ErrConflict.
	Put(ctx context.Context, d Document) (version int64, err error)
	// Get answers a document, or ErrNotFound.
	Get(ctx context.Context, kind, key string) (Document, error)
	// Each answers documents of a kind in key order after the key given.
	Each(ctx context.Context, kind, after string, limit int) ([]Document, error)
	// Delete removes a document at that version (AnyVersion: whatever it is).
	// A document that is not there is no error.
	Delete(ctx context.Context, kind, key string, version int64) error
	// Hold takes or renews a named lease for a holder. It answers the token
	// under which it is held (rising with every change of holder), or 0 while
	// somebody else holds it. last = 0 gives it back.
	Hold(ctx context.Context, name, holder string, last time.Duration) (token int64, err error)
	// Note appends a record to the audit log.
	Note(ctx context.Context, record []byte) error
}

// AnyVersion writes or deletes a document whatever its version.
const AnyVersion int64 = -1

// Document is a body under a kind and a key.
type Document struct {
	Kind    string
	Key     string
	Body    []byte
	Version int64
	Expires time.Duration // from now; 0: never. Answered as what is left.
	At      time.Time     // of the last Put
}

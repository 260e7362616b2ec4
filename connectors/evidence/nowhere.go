package evidence

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"io"
	"os"
	"time"

	"stanch/connectors"
)

// Nowhere answers a vault that takes everything and keeps nothing, for
// rehearsals: an item is sealed with a key that nobody has, and forgotten.
func Nowhere() (*Vault, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails since Go 1.24
	v, err := New(Options{
		Place: forgetful{}, Keys: map[string]connectors.Secret{"rehearsal": connectors.Secret(base64.StdEncoding.EncodeToString(key))},
		Key: "rehearsal", MaxSize: 1 << 30, Keep: time.Hour,
	})
	if err != nil {
		return nil, err
	}
	v.Record = func(context.Context, Access) error { return nil }
	return v, nil
}

type forgetful struct{}

func (forgetful) Folder() string { return os.TempDir() }

func (forgetful) Put(context.Context, string, *os.File) error { return nil }

func (forgetful) Get(_ context.Context, name string, _ int64, _ io.Writer) error {
	return notKept(name)
}

func (forgetful) List(context.Context) ([]Entry, error) { return nil, nil }

func (forgetful) Delete(context.Context, string) error { return nil }

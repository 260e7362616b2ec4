package sqlitestore

import (
	"context"
	"fmt"
)

// LimitPages makes the database full at so many pages.
func (s *Store) LimitPages(n int) error {
	return s.act(context.Background(), func(t *tx) error {
		_, err := t.one(fmt.Sprintf("PRAGMA max_page_count = %d", n))
		return err
	})
}

// Exec executes SQL behind the store's back.
func (s *Store) Exec(q string) error {
	return s.act(context.Background(), func(t *tx) error { return t.script(q) })
}

// Query answers the first column of the first row.
func (s *Store) Query(q string) (string, error) {
	var got string
	err := s.act(context.Background(), func(t *tx) error {
		r, err := t.one(q)
		if err == nil {
			got = fmt.Sprint(r[0])
		}
		return err
	})
	return got, err
}

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

// Upgrade brings the file up as a version would that has more migrations.
func (s *Store) Upgrade(more ...string) error {
	return s.act(context.Background(), func(*tx) error { return s.upgrade(append(migrations(), more...)) })
}

// Act makes an act of f, which may write by exec and then fail.
func (s *Store) Act(ctx context.Context, f func(exec func(q string) error) error) error {
	return s.act(ctx, func(t *tx) error {
		return f(func(q string) error {
			_, err := t.exec(q)
			return err
		})
	})
}

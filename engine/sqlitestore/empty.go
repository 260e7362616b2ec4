package sqlitestore

import (
	"context"
	"errors"
	"fmt"
)

// Empty forgets everything that a store in memory holds, as if it had just been
// opened, and keeps its prepared statements: for one rehearsal after another.
func (s *Store) Empty(ctx context.Context) error {
	if s.path != "" {
		return errors.New("only a store in memory is emptied")
	}
	err := s.act(ctx, func(t *tx) error {
		var tables []string
		err := t.each(func(r row) error {
			tables = append(tables, r.text(0))
			return nil
		}, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('meta', 'freeze') AND name NOT LIKE 'sqlite_%' ORDER BY name")
		if err != nil {
			return err
		}
		for _, table := range tables {
			if _, err := t.exec("DELETE FROM " + table); err != nil {
				return err
			}
		}
		if _, err := t.exec("UPDATE freeze SET frozen = 0, by = '', reason = '', at = 0"); err != nil {
			return err
		}
		if _, err := t.exec("UPDATE meta SET value = 0 WHERE name = 'trimmed'"); err != nil {
			return err
		}
		s.known.forget()
		s.last, s.swept, s.lanes = 0, 0, 0
		return nil
	})
	if err != nil {
		return fmt.Errorf("empty the store: %w", err)
	}
	return nil
}

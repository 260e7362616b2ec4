package main

import (
	"context"
	"log/slog"
	"sync"

	"stanch/cmd/stanch/internal/terminal"
)

// warnings is a log for a person who waits for a command: what holds the work
// up, such as a disk that is full, each thing once.
func (sh *shell) warnings() *slog.Logger {
	return slog.New(&warner{sh: sh, told: map[string]bool{}})
}

type warner struct {
	sh   *shell
	mu   sync.Mutex
	told map[string]bool
}

func (w *warner) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (w *warner) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" {
			text += ": " + a.Value.String()
		}
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.told[text] {
		w.told[text] = true
		w.sh.err.Line("  ", terminal.Text{Style: terminal.Yellow, Text: "warning: "}, text)
	}
	return nil
}

// The run that a warning is about is the one the person waits for.
func (w *warner) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w *warner) WithGroup(string) slog.Handler      { return w }

package main

import (
	"context"
	"errors"

	"stanch/cmd/stanch/internal/config"
	"stanch/connectors"
	"stanch/playbooks"
)

// asking asks the service of queries while playbooks are checked.
type asking struct {
	failed error // why it could not be asked
}

// hunts answers what the check of playbooks asks with.
func (a *asking) hunts(ctx context.Context, cfg *config.Config) (func(*playbooks.Playbook) (wrong, hint string), error) {
	c, err := connect(cfg)
	if err != nil {
		return nil, err
	}
	h := hunter(cfg, c)
	return func(p *playbooks.Playbook) (string, string) {
		if a.failed != nil {
			return "", ""
		}
		if a.failed = askable(cfg, []*playbooks.Playbook{p}); a.failed != nil {
			return "", ""
		}
		wrong, err := h.Check(ctx, p)
		a.failed = err
		e, is := errors.AsType[*connectors.Error](wrong)
		switch {
		case !is:
			return "", ""
		case e.Status == 0: // it was run, and answers something else
			return e.Message, e.Hint
		}
		return "the service refuses the query: " + e.Message, e.Hint
	}, nil
}

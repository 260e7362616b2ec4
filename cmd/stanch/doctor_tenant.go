package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"stanch/cmd/stanch/internal/config"
	"stanch/connectors/activity"
	"stanch/engine"
)

// permitted tells whether the app signs in to the tenant and has what the
// configuration's playbooks need there.
func (sh *shell) permitted(ctx context.Context, cfg *config.Config) engine.Finding {
	f := engine.Finding{Level: engine.Warning, What: "permissions", Found: "cannot be told"}
	books, err := sh.booksFor(cfg, nil)
	if err != nil {
		f.Says = err.Error()
		return f
	}
	sheet := needs(books, cfg)
	who, err := signIn(cfg.Tenant)
	if err != nil {
		return engine.Finding{Level: engine.Wrong, What: "sign-in", Found: "it cannot work", Says: err.Error()}
	}
	t, err := who.look(ctx, sheet.apis())
	if err != nil {
		f.What, f.Found, f.Says = "sign-in", "no token", err.Error()
		return f
	}
	sheet.against(t)
	missing, more := []string{}, []string{}
	for _, n := range sheet.missing() {
		missing = append(missing, fmt.Sprintf("%s (%s, for %s)", n.Permission, n.API, strings.Join(n.For, ", ")))
	}
	for _, x := range sheet.TooMuch {
		more = append(more, x.Permission)
	}
	f.Level, f.Found, f.Says = engine.Good, "as the playbooks need", ""
	switch {
	case len(missing) > 0:
		f.Level, f.Found = engine.Wrong, fmt.Sprintf("%d missing", len(missing))
		f.Says = strings.Join(missing, "; ") + ": `stanch permissions` tells how to grant them"
	case len(more) > 0:
		f.Level, f.Found = engine.Warning, fmt.Sprintf("%d more than needed", len(more))
		f.Says = strings.Join(more, ", ") + ": a stolen token could use them"
	}
	return f
}

// logged tells whether the app gets the events of the audit log from which the
// feed fills in what alerts lack.
func logged(ctx context.Context, cfg *config.Config) engine.Finding {
	f := engine.Finding{Level: engine.Warning, What: "feed.details", Found: "cannot be told"}
	who, err := signIn(cfg.Tenant)
	if err != nil {
		f.Says = err.Error()
		return f
	}
	log, err := activity.New(who.cloud, who.as("activity"), nil)
	if err != nil {
		f.Says = err.Error()
		return f
	}
	all, err := log.Subscriptions(ctx)
	switch {
	case err != nil:
		f.Says = err.Error()
	case slices.Contains(all, activity.Subscription{Type: activity.DLP, Enabled: true}):
		f.Level, f.Found = engine.Good, "subscribed to the audit log"
	default:
		f.Level, f.Found = engine.Wrong, "not subscribed to the audit log"
		f.Says = "run a playbook with hunting.start_dlp_feed once; the first events come after up to twelve hours"
	}
	return f
}

package main

import (
	"fmt"
	"log/slog"
	"time"

	"stanch/connectors/incident"
	"stanch/playbooks"
	"stanch/triggers"
)

// feed is the incident feed of the desk. Since is where it begins, zero: now.
func (d *desk) feed(books []*playbooks.Playbook, since time.Time, log *slog.Logger) (*triggers.Feed, error) {
	c := d.cfg.Feed
	f := &triggers.Feed{
		Engine: d.engine, Store: d.store, Docs: d.store, Books: books,
		Poll: c.Poll, Overlap: c.Overlap, Lease: c.Lease, Since: since,
		Quota: c.Quota, AzureQuota: c.AzureQuota, Shared: budgets(d.cfg), Loops: c.Loops,
		Holder: nodeName(), Log: log,
	}
	if len(d.rules) > 0 {
		f.Rules = &triggers.RuleSet{Engine: d.engine, Docs: d.store, Rules: d.rules, Books: books, Log: log}
	}
	if c.Reads(string(incident.Defender)) {
		f.Graph = d.tenant.graph
	}
	if c.Reads(string(incident.Sentinel)) {
		f.Sentinel = d.tenant.sentinel
	}
	if c.Details {
		if f.Activity = d.tenant.activity; f.Activity == nil {
			return nil, fmt.Errorf("feed.details is true, and the cloud of this tenant has no Office 365 Management Activity API: leave it out")
		}
	}
	if f.Graph == nil && f.Sentinel == nil {
		return nil, fmt.Errorf("feed.sources is [sentinel], and no workspace is configured: name it as `sentinel`, or read defender")
	}
	return f, nil
}

// begins is where a feed begins that has not begun yet.
func (d *desk) begins(flag string, now time.Time) (time.Time, error) {
	if flag != "" {
		return moment("since", flag, now)
	}
	if d.cfg.Feed.Since == 0 {
		return time.Time{}, nil
	}
	return now.Add(-d.cfg.Feed.Since), nil
}

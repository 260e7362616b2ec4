package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stanch/connectors/incident"
	"stanch/engine/view"
	"stanch/playbooks"
)

type listOptions struct {
	filter       view.IncidentFilter
	since, until string
}

func incidentsList(sh *shell) *cobra.Command {
	var o listOptions
	c := &cobra.Command{
		Use:   "list",
		Short: "List the incidents that the feed has brought, the newest first",
		Example: `  stanch incidents list --status active --since 7d
  stanch incidents list --policy "Payroll data shared outside" --output json
  stanch incidents list --severity high --assignee dana@contoso.com --text payroll`,
		Args: noArgs,
		RunE: verb(func(ctx context.Context, _ []string) error {
			list, err := sh.listIncidents(ctx, o)
			if err != nil {
				return err
			}
			return sh.print(list, func() { sh.incidentTable(list) })
		}),
	}
	f := c.Flags()
	f.StringVar(&o.filter.Policy, "policy", "", "only those of this DLP policy `NAME`")
	f.StringVar(&o.filter.Tag, "tag", "", "only those with this `TAG`")
	f.StringVar(&o.since, "since", "", "only those opened since a `TIME` (2026-03-02, 2026-03-02T09:00:00Z) or within a duration (7d)")
	f.StringVar(&o.until, "until", "", "only those opened before a `TIME`, or longer ago than a duration")
	f.StringVar(&o.filter.Source, "source", "", "only those of this service `SOURCE`, such as dataLossPrevention")
	f.StringVar(&o.filter.Status, "status", "", "only those with this `STATUS`: active, inProgress, resolved, redirected")
	f.StringVar(&o.filter.User, "user", "", "only those that name this `USER`")
	f.StringVar(&o.filter.Severity, "severity", "", "only those of this `SEVERITY`: informational, low, medium, high")
	f.StringVar(&o.filter.Assignee, "assignee", "", "only those assigned to this `USER`")
	f.StringVar(&o.filter.Text, "text", "", "only those with every word of this `TEXT` in title, alerts, users or files")
	f.IntVar(&o.filter.Limit, "limit", 100, "at most this `NUMBER`")
	sh.storeFlag(c)
	sh.outputFlag(c)
	return c
}

func (sh *shell) listIncidents(ctx context.Context, o listOptions) ([]incident.Incident, error) {
	if o.filter.Limit < 1 {
		return nil, misused("--limit must be 1 or more")
	}
	if err := known("status", o.filter.Status, incident.Status("").Values()); err != nil {
		return nil, err
	}
	if err := known("severity", o.filter.Severity, incident.Severity("").Values()); err != nil {
		return nil, err
	}
	now := time.Now()
	var err error
	if o.filter.Since, err = moment("since", o.since, now); err != nil {
		return nil, err
	}
	if o.filter.Until, err = moment("until", o.until, now); err != nil {
		return nil, err
	}
	d, err := sh.open(ctx, need{looks: true}, nil)
	if err != nil {
		return nil, err
	}
	defer d.close()
	v, err := d.lists(ctx)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	list := []incident.Incident{}
	for {
		page, next, err := v.Incidents(ctx, o.filter)
		if err != nil {
			return nil, err
		}
		list = append(list, page...)
		if o.filter.Cursor = next; next == "" || len(list) >= o.filter.Limit {
			return list[:min(len(list), o.filter.Limit)], nil
		}
	}
}

// known refuses a value that no incident has, which would select nothing.
func known(flag, value string, values []string) error {
	if value == "" || slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, value) }) {
		return nil
	}
	values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "unknownFutureValue" })
	return misused("--%s %s is none of %s", flag, value, strings.Join(values, ", "))
}

// moment reads a time, a day (UTC), or how long ago; nothing is no time.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	ago, err := playbooks.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, misused("--%s must be a time such as 2026-03-02 or 2026-03-02T09:00:00Z, or a duration such as 7d, not %q", flag, text)
	}
	return now.Add(-ago), nil
}

func (sh *shell) incidentTable(list []incident.Incident) {
	if len(list) == 0 {
		sh.err.Printf("no incidents\n")
		return
	}
	t := table("INCIDENT", "SEVERITY", "STATUS", "OPENED", "POLICIES", "TITLE")
	for _, i := range list {
		t.Add(i.ID, string(i.Severity), string(i.Status), instant(i.CreatedAt), strings.Join(i.Policies, ", "), i.Title)
	}
	sh.out.Table(t)
}

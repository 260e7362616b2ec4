package main

import (
	"strings"
	"testing"
	"time"

	"stanch/engine/redisstore/redistest"
)

// Two servers share a store when a minute begins: its tick begins one run, and each
// row of the hunt one. More minutes, and deaths between them, are lived through in
// virtual time by the tests of the triggers.
func TestTwoServersOneTick(t *testing.T) {
	t.Parallel()
	c := newCrew(t, redistest.Options{AppendOnly: true})
	c.write("books/minutely.yaml", `playbook: minutely
status: stable
on: {schedule: {cron: "* * * * *"}}
steps:
  - stop: "${{ event.id }}"
`)
	c.write("books/rows.yaml", `playbook: rows
status: stable
on:
  hunting:
    schedule: {cron: "* * * * *"}
    query: range n from 1 to 20 step 1
    columns: {n: integer}
steps:
  - stop: "${{ string(event.row.n) }}"
`)
	first, second := c.works("serve", "books"), c.works("serve", "books")
	<-time.After(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
	count := func() (ticks, rows map[string]int) {
		ticks, rows = map[string]int{}, map[string]int{}
		var all []runLine
		c.reads(&all, "runs", "list", "--config", "tenant.yaml", "--output", "json")
		for _, r := range all {
			if r.Playbook == "minutely" {
				ticks[r.Subject]++
			} else {
				row, _, _ := strings.Cut(r.Subject, "@")
				rows[row]++
			}
		}
		return ticks, rows
	}
	c.polls("the tick", func() bool { ticks, rows := count(); return len(ticks) > 0 && len(rows) == 20 })
	ticks, rows := count()
	for _, of := range []map[string]int{ticks, rows} {
		for what, n := range of {
			if n != 1 {
				t.Errorf("%s began %d runs", what, n)
			}
		}
	}
	c.retires(first)
	c.retires(second)
}

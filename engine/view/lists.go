package view

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
	"stanch/engine"
)

// Run is a run in a list.
type Run struct {
	ID        string
	Playbook  string
	Edition   string
	Subject   string
	Name      string // of the entity that a person started it on, as people know it
	Mode      string
	StartedBy string
	Undoes    string
	Event     string        // the trigger
	Status    string        // queued | running | waiting | succeeded | failed | rejected | cancelled
	Cancel    engine.Cancel // the mark on it
	BegunAt   time.Time
	EndedAt   time.Time // zero while it lives
	WaitsFor  []string
	Unknown   []string // steps with an effect that a person must resolve
}

// RunFilter selects runs. Empty fields select all.
type RunFilter struct {
	Status   string // as Run.Status; unknown: those with an effect that a person must resolve; live: those that have not ended
	Playbook string
	Subject  string
	Since    time.Time // begun at or after
	Until    time.Time // begun before
	Limit    int       // of a page; 100 if zero
	Cursor   string    // as the page before answered it
}

// IncidentFilter selects incidents as the portal's queue does. Empty fields
// select all; case does not matter.
type IncidentFilter struct {
	Policy   string
	Tag      string
	Source   string // a service source, such as dataLossPrevention, or defender, sentinel
	Status   string
	User     string // a UPN in the evidence, or the part before the @
	Severity string
	Assignee string
	Text     string    // every word of it occurs in title, description, names or paths
	Since    time.Time // opened at or after
	Until    time.Time // opened before
	Limit    int       // of a page; 100 if zero
	Cursor   string    // as the page before answered it
}

// ErrCursor is returned for a cursor that no page has answered.
var ErrCursor = errors.New("this is no cursor: give one that the page before has answered, or none")

// query builds a SELECT with its conditions.
type query struct {
	where []string
	args  []any
}

func (q *query) and(condition string, args ...any) {
	q.where = append(q.where, condition)
	q.args = append(q.args, args...)
}

func (q *query) equal(column, value string) {
	if value != "" {
		q.and(column+" = ?", value)
	}
}

// page adds the bounds of a page that goes back in time.
func (q *query) page(column string, since, until time.Time, cursor string) error {
	if !since.IsZero() {
		q.and(column+" >= ?", stamp(since))
	}
	if !until.IsZero() {
		q.and(column+" < ?", stamp(until))
	}
	if cursor == "" {
		return nil
	}
	at, id, ok := strings.Cut(cursor, " ")
	if !ok || (at != "" && moment(at).IsZero()) {
		return ErrCursor
	}
	q.and("("+column+", id) < (?, ?)", at, id)
	return nil
}

func (q *query) sql(columns, table, column string, limit int) string {
	s := "SELECT " + columns + " FROM " + table
	if len(q.where) > 0 {
		s += " WHERE " + strings.Join(q.where, " AND ")
	}
	return s + fmt.Sprintf(" ORDER BY %s DESC, id DESC LIMIT %d", column, limit+1)
}

func size(limit int) int {
	const most = 10_000
	if limit <= 0 {
		return 100
	}
	return min(limit, most)
}

// list collects the rows of a query.
func list[T any](ctx context.Context, db *sql.DB, q string, args []any, scan func(*sql.Rows) (T, error)) ([]T, error) {
	rows, err := db.QueryContext(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

const (
	unknown = "EXISTS (SELECT 1 FROM view_effects e WHERE e.run = view_runs.id AND e.status = 'unknown')"
	// A run that lives waits if none of its strands can go on.
	runStatus = "CASE WHEN status = 'running' AND NOT active THEN 'waiting' ELSE status END"
)

// Runs answers runs, the newest first, and the cursor of the next page, empty
// after the last.
func (v *View) Runs(ctx context.Context, f RunFilter) (runs []Run, next string, err error) {
	var q query
	switch f.Status {
	case "":
	case "live":
		q.and("ended = ''")
	case "unknown":
		q.and(unknown)
	case "running", "waiting":
		q.and("ended = '' AND "+runStatus+" = ?", f.Status)
	default:
		q.and("status = ?", f.Status)
	}
	q.equal("playbook", f.Playbook)
	q.equal("subject", f.Subject)
	if err := q.page("begun", f.Since, f.Until, f.Cursor); err != nil {
		return nil, "", err
	}
	limit := size(f.Limit)
	const columns = "id, playbook, edition, subject, name, mode, started_by, undoes, event, " + runStatus + ", cancel, begun, ended"
	runs, err = list(ctx, v.db, q.sql(columns, "view_runs", "begun", limit), q.args, func(rows *sql.Rows) (r Run, err error) {
		var begun, ended string
		err = rows.Scan(&r.ID, &r.Playbook, &r.Edition, &r.Subject, &r.Name, &r.Mode, &r.StartedBy, &r.Undoes, &r.Event, &r.Status, &r.Cancel, &begun, &ended)
		r.BegunAt, r.EndedAt = moment(begun), moment(ended)
		return r, err
	})
	if err == nil && len(runs) > limit {
		runs = runs[:limit]
		next = stamp(runs[limit-1].BegunAt) + " " + runs[limit-1].ID
	}
	for i := range runs {
		if err == nil {
			err = v.details(ctx, &runs[i])
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("view: runs: %w", err)
	}
	return runs, next, nil
}

// details adds what a run waits for and what a person must resolve.
func (v *View) details(ctx context.Context, r *Run) (err error) {
	text := func(rows *sql.Rows) (s string, err error) { return s, rows.Scan(&s) }
	if r.EndedAt.IsZero() {
		r.WaitsFor, err = list(ctx, v.db, "SELECT waits FROM view_waits WHERE run = ? ORDER BY waits", []any{r.ID}, text)
		if err != nil {
			return err
		}
	}
	r.Unknown, err = list(ctx, v.db, "SELECT DISTINCT step FROM view_effects WHERE run = ? AND status = 'unknown' ORDER BY step", []any{r.ID}, text)
	return err
}

// few is up to how many incidents are looked at one by one. Where more have what is
// asked for, the first page is found sooner by going through all from the newest.
const few = 2000

// Incidents answers incidents, the newest first, and the cursor of the next
// page, empty after the last.
func (v *View) Incidents(ctx context.Context, f IncidentFilter) (found []incident.Incident, next string, err error) {
	q, err := v.incidents(ctx, f)
	if err != nil {
		return nil, "", err
	}
	limit := size(f.Limit)
	var keys []string
	found, err = list(ctx, v.db, q.sql("id, created, body", "view_incidents", "created", limit), q.args, func(rows *sql.Rows) (in incident.Incident, err error) {
		var id, created string
		var body []byte
		if err := rows.Scan(&id, &created, &body); err != nil {
			return in, err
		}
		keys = append(keys, created+" "+id)
		return in, json.Unmarshal(body, &in)
	})
	if err != nil {
		return nil, "", fmt.Errorf("view: incidents: %w", err)
	}
	if len(found) > limit {
		return found[:limit], keys[limit-1], nil
	}
	return found, "", nil
}

// incidents is the query of a filter.
func (v *View) incidents(ctx context.Context, f IncidentFilter) (q query, err error) {
	narrow := false
	for _, facet := range [][2]string{{"policy", f.Policy}, {"tag", f.Tag}, {"source", f.Source}, {"user", f.User}} {
		if facet[1] == "" {
			continue
		}
		kind, value := facet[0], strings.ToLower(facet[1])
		rare, err := v.rare(ctx, "view_facets WHERE kind = ? AND value = ?", kind, value)
		if err != nil {
			return q, err
		}
		if rare {
			narrow = true
			q.and("id IN (SELECT incident FROM view_facets WHERE kind = ? AND value = ?)", kind, value)
		} else {
			q.and("EXISTS (SELECT 1 FROM view_facets WHERE kind = ? AND value = ? AND incident = view_incidents.id)", kind, value)
		}
	}
	if match := trigrams(f.Text); match != "" {
		rare, err := v.rare(ctx, "view_words WHERE view_words MATCH ?", match)
		if err != nil {
			return q, err
		}
		if rare {
			narrow = true
			q.and("rowid IN (SELECT rowid FROM view_words WHERE view_words MATCH ?)", match)
		}
	}
	for _, column := range [][2]string{{"status", f.Status}, {"severity", f.Severity}, {"assignee", f.Assignee}} {
		name, value := column[0], strings.ToLower(column[1])
		if value == "" {
			continue
		}
		rare := false
		if !narrow {
			if rare, err = v.rare(ctx, "view_incidents WHERE "+name+" = ?", value); err != nil {
				return q, err
			}
		}
		if !rare {
			name = "+" + name // so that its index is not used
		}
		narrow = narrow || rare
		q.equal(name, value)
	}
	for word := range strings.FieldsSeq(strings.ToLower(f.Text)) {
		q.and("instr(words, ?) > 0", word)
	}
	by := "created"
	if narrow {
		by = "+created"
	}
	return q, q.page(by, f.Since, f.Until, f.Cursor)
}

// rare reports whether few rows are selected.
func (v *View) rare(ctx context.Context, from string, args ...any) (bool, error) {
	var n int
	err := v.db.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d)", from, few+1), args...).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("view: incidents: %w", err)
	}
	return n <= few, nil
}

// trigrams asks view_words for all that may hold every word of a text: it knows of
// each three letters, and of shorter words nothing.
func trigrams(text string) string {
	terms := []string{}
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		letters := []rune(word)
		for i := range max(len(letters)-2, 0) {
			terms = append(terms, `"`+strings.ReplaceAll(string(letters[i:i+3]), `"`, `""`)+`"`)
		}
	}
	return strings.Join(terms, " AND ")
}

// Approvals answers the questions with a status, the oldest first; with an
// empty one all of them.
func (v *View) Approvals(ctx context.Context, status string) ([]engine.Approval, error) {
	q := query{}
	q.equal("status", status)
	where := ""
	if len(q.where) > 0 {
		where = " WHERE " + q.where[0]
	}
	all, err := list(ctx, v.db, "SELECT body FROM view_approvals"+where+" ORDER BY asked, id", q.args, func(rows *sql.Rows) (a engine.Approval, err error) {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return a, err
		}
		return a, json.Unmarshal(body, &a)
	})
	if err != nil {
		return nil, fmt.Errorf("view: approvals: %w", err)
	}
	return all, nil
}

// Effect is an effect in a list.
type Effect struct {
	ID       string
	Run      string
	Step     string
	Playbook string
	Action   string
	Class    actions.Class
	Target   actions.Target
	Status   actions.Status
	Why      string
	Since    time.Time // of its intent
	At       time.Time // of its newest record
}

// EffectFilter selects effects. Empty fields select all.
type EffectFilter struct {
	Run    string
	Target string // id of what it acts on
	Status actions.Status
	Open   bool // those without a certain outcome: begun, open or unknown
	Limit  int  // 100 if zero
}

// Effects answers effects, the newest first.
func (v *View) Effects(ctx context.Context, f EffectFilter) ([]Effect, error) {
	var q query
	q.equal("run", f.Run)
	q.equal("target_id", f.Target)
	q.equal("status", string(f.Status))
	if f.Open {
		q.and("status IN ('begun', 'open', 'unknown')")
	}
	limit := size(f.Limit)
	const columns = "id, run, step, playbook, action, class, target, status, why, since, at"
	all, err := list(ctx, v.db, q.sql(columns, "view_effects", "since", limit), q.args, func(rows *sql.Rows) (e Effect, err error) {
		var target, since, at string
		if err := rows.Scan(&e.ID, &e.Run, &e.Step, &e.Playbook, &e.Action, &e.Class, &target, &e.Status, &e.Why, &since, &at); err != nil {
			return e, err
		}
		e.Since, e.At = moment(since), moment(at)
		return e, json.Unmarshal([]byte(target), &e.Target)
	})
	if err != nil {
		return nil, fmt.Errorf("view: effects: %w", err)
	}
	return all[:min(len(all), limit)], nil
}

// Unread is a record whose body the view could not read.
type Unread struct {
	Seq   int64
	What  string
	Error string
}

// Unread answers what the view does not show because it could not read it.
func (v *View) Unread(ctx context.Context) ([]Unread, error) {
	all, err := list(ctx, v.db, "SELECT seq, what, error FROM view_unread ORDER BY part, seq", nil, func(rows *sql.Rows) (u Unread, err error) {
		return u, rows.Scan(&u.Seq, &u.What, &u.Error)
	})
	if err != nil {
		return nil, fmt.Errorf("view: unread: %w", err)
	}
	return all, nil
}

package triggers

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"stanch/engine"
	"stanch/playbooks"
)

// docVerdict tells what was decided over a revision of an incident.
const docVerdict = "verdict"

// Bounds of what is kept of decisions: the newest revisions of each incident.
const (
	mostRevisions = 20
	keptVerdicts  = 90 * 24 * time.Hour
	mostRecord    = 16 << 20 // bytes of one, decompressed
)

// The outcomes of a playbook for a revision of an incident.
const (
	OutcomeBegun      = "begun"          // a run was begun
	OutcomeBefore     = "begun before"   // the same event had begun a run already
	OutcomeNot        = "not matched"    // what it listens to, or its condition, says no
	OutcomeDraft      = "draft"          // no event starts a draft
	OutcomeError      = "error"          // its condition gave no answer: it does not start
	OutcomeBusy       = "busy"           // it is at work on the incident, and does not queue
	OutcomeLoop       = "loop suspected" // held: too many runs within an hour
	OutcomeRefused    = "refused"        // the engine did not take it
	OutcomeSuppressed = "suppressed"     // a rule says that no playbook starts
	OutcomeOlder      = "older"          // the incident was there before the feed
	OutcomeGone       = "gone"           // the playbook was taken away before it was begun
)

// Verdict is what became of one playbook for a revision of an incident.
type Verdict struct {
	Playbook string `json:"playbook"`
	Alert    string `json:"alert,omitempty"` // of a playbook that alerts start
	Outcome  string `json:"outcome"`
	Because  string `json:"because"` // one sentence
	Run      string `json:"run,omitempty"`
}

// Record is what was decided over a revision of an incident.
type Record struct {
	Incident  string    `json:"incident"`
	Revision  int       `json:"revision"` // from 1
	At        time.Time `json:"at"`       // when it was decided, by the store's clock
	Updated   time.Time `json:"updated"`  // when the incident last changed
	Kind      string    `json:"kind"`     // created | updated | adopted
	Event     string    `json:"event"`    // its id; empty of an earlier version
	Changes   []string  `json:"changes"`
	NewAlerts []string  `json:"new_alerts"`
	Frozen    bool      `json:"frozen,omitempty"` // runs that were begun wait with their effects
	Verdicts  []Verdict `json:"verdicts"`
}

// kept is how a Record is stored: what many playbooks have in common stands once.
type kept struct {
	Record
	Groups []group `json:"groups"`
}

type group struct {
	Outcome   string   `json:"o"`
	Because   string   `json:"b"`
	Playbooks []string `json:"p"`
}

// note keeps what was decided over a revision of an incident.
func (r *reading) note(ctx context.Context, s *stored, ev playbooks.Event, verdicts []Verdict) error {
	body, err := r.packer.pack(Record{
		Incident: s.Incident.ID, Revision: s.Revision, At: r.now, Updated: s.Incident.UpdatedAt, Kind: ev.Kind, Event: ev.ID,
		Changes: append([]string{}, ev.Changes...), NewAlerts: append([]string{}, ev.NewAlerts...), Frozen: r.frozen, Verdicts: verdicts,
	})
	if err != nil {
		return err
	}
	_, err = r.feed.Docs.Put(ctx, engine.Document{
		Kind: docVerdict, Key: verdictKey(s.Incident.ID, s.Revision), Body: body, Version: engine.AnyVersion, Expires: keptVerdicts,
	})
	if err != nil {
		return fmt.Errorf("keep what was decided: %w", err)
	}
	return nil
}

// verdictKey is the place of a revision's record: that of the one so many
// revisions ago is written over.
func verdictKey(id string, revision int) string {
	return fmt.Sprintf("%s/%02d", id, revision%mostRevisions)
}

// packer makes records small. It may be used from many goroutines.
type packer struct{ writers sync.Pool }

func (p *packer) pack(rec Record) ([]byte, error) {
	k := kept{Record: rec}
	k.Verdicts = []Verdict{}
	places := map[[2]string]int{}
	for _, v := range rec.Verdicts {
		if v.Run != "" || v.Alert != "" {
			k.Verdicts = append(k.Verdicts, v)
			continue
		}
		at, known := places[[2]string{v.Outcome, v.Because}]
		if !known {
			at = len(k.Groups)
			places[[2]string{v.Outcome, v.Because}] = at
			k.Groups = append(k.Groups, group{Outcome: v.Outcome, Because: v.Because})
		}
		k.Groups[at].Playbooks = append(k.Groups[at].Playbooks, v.Playbook)
	}
	raw, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, is := p.writers.Get().(*flate.Writer)
	if !is {
		if w, err = flate.NewWriter(nil, flate.BestSpeed); err != nil {
			return nil, err
		}
	}
	defer p.writers.Put(w)
	w.Reset(&out)
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func unpack(body []byte) (Record, error) {
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(body)), mostRecord+1))
	if err == nil && len(raw) > mostRecord {
		err = fmt.Errorf("it has more than %d bytes", mostRecord)
	}
	var k kept
	if err == nil {
		err = json.Unmarshal(raw, &k)
	}
	if err != nil {
		return Record{}, err
	}
	for _, g := range k.Groups {
		for _, id := range g.Playbooks {
			k.Verdicts = append(k.Verdicts, Verdict{Playbook: id, Outcome: g.Outcome, Because: g.Because})
		}
	}
	slices.SortStableFunc(k.Verdicts, func(a, b Verdict) int { return strings.Compare(a.Playbook, b.Playbook) })
	return k.Record, nil
}

// Records answers what was decided over the newest revisions of an incident, the
// newest first: at most 20, and of the last 90 days.
func Records(ctx context.Context, docs engine.Documents, id string) ([]Record, error) {
	id, err := KeptAs(ctx, docs, id)
	if err != nil {
		return nil, err
	}
	list, err := docs.Each(ctx, docVerdict, id+"/", mostRevisions)
	if err != nil {
		return nil, fmt.Errorf("incident %s: what was decided: %w", id, err)
	}
	all := []Record{}
	for _, d := range list {
		if rest, is := strings.CutPrefix(d.Key, id+"/"); !is || strings.Contains(rest, "/") {
			continue
		}
		rec, err := unpack(d.Body)
		if err != nil {
			return nil, fmt.Errorf("incident %s: what was decided: %w", id, err)
		}
		all = append(all, rec)
	}
	slices.SortFunc(all, func(a, b Record) int { return b.Revision - a.Revision })
	return all, nil
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"stanch/connectors/incident"
	"stanch/examples"
	"stanch/playbooks"
)

// benchEvents makes events as incidents give them, each another, without the work
// of writing each anew.
type benchEvents struct {
	bodies [][]byte // each with markID where the id is
}

// How many different incidents there are, and where their ids are.
const (
	benchVaried = 512
	markID      = "0123456789"
)

// newBenchEvents varies the first example: users, files, addresses and ids are
// other ones each time, as they are in life.
func newBenchEvents() (*benchEvents, error) {
	body, err := fs.ReadFile(examples.Files, "fixtures/external-share.json")
	if err != nil {
		return nil, fmt.Errorf("the measured incident: %w", err)
	}
	like, err := incident.FromGraph(body)
	if err != nil {
		return nil, fmt.Errorf("the measured incident: %w", err)
	}
	e := &benchEvents{}
	w := benchWords{rand.New(rand.NewPCG(1, 2))} //nolint:gosec // the same incidents every time
	for range benchVaried {
		text, err := json.Marshal(varied(like, w))
		if err != nil {
			return nil, fmt.Errorf("the measured incident: %w", err)
		}
		e.bodies = append(e.bodies, text)
	}
	return e, nil
}

// benchWords makes words and ids that nobody has used.
type benchWords struct{ dice *rand.Rand }

func (w benchWords) word(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + w.dice.IntN(26))
	}
	return string(b)
}

func (w benchWords) guid() string {
	d := w.dice
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", d.Uint32(), d.IntN(1<<16), d.IntN(1<<12), d.IntN(1<<12), d.Int64N(1<<48))
}

// varied answers another incident of the same kind.
func varied(like incident.Incident, w benchWords) incident.Incident {
	in := like
	file := fmt.Sprintf("%s %s %d.xlsx", w.word(7), w.word(9), 2020+w.dice.IntN(7))
	in.ID, in.Title = incident.NewID(incident.Defender, markID), "DLP policy ("+w.word(8)+" "+w.word(6)+") matched for document ("+file+") in SharePoint"
	in.CreatedAt = like.CreatedAt.Add(time.Duration(w.dice.Int64N(int64(30 * 24 * time.Hour))))
	in.UpdatedAt, in.URL = in.CreatedAt.Add(time.Minute), nil
	in.Alerts = slices.Clone(like.Alerts)
	var alerts []string
	for i := range in.Alerts {
		a, id := &in.Alerts[i], w.guid()
		a.ID, a.ProviderID, a.URL, a.Description = "dl"+id, &id, nil, nil
		a.Title, a.CreatedAt, a.UpdatedAt = in.Title, in.CreatedAt, in.UpdatedAt
		alerts = append(alerts, a.ID)
	}
	in.Evidence.Users = slices.Clone(like.Evidence.Users)
	for i := range in.Evidence.Users {
		upn, entra := w.word(6)+"."+w.word(7)+"@contoso.example", w.guid()
		u := &in.Evidence.Users[i]
		u.ID, u.UPN, u.EntraID, u.Alerts = upn, &upn, &entra, alerts
	}
	in.Evidence.Files = slices.Clone(like.Evidence.Files)
	for i := range in.Evidence.Files {
		f, size, site := &in.Evidence.Files[i], w.dice.Int64N(10_000_000), "/sites/"+w.word(8)
		path := "/Shared Documents/" + file
		url := "https://contoso.sharepoint.com" + site + path
		f.ID, f.Name, f.Size, f.Site, f.Path, f.URL, f.Alerts = url, &file, &size, &site, &path, &url, alerts
	}
	in.Evidence.Apps = []incident.App{}
	return in
}

// event answers the event of a run.
func (e *benchEvents) event(n int64) playbooks.Event {
	id := strconv.FormatInt(n, 10)
	return playbooks.Event{
		ID: id, Trigger: "incident", Kind: "manual", At: time.Now(),
		Incident: bytes.Replace(e.bodies[int(n)%len(e.bodies)], []byte(markID), []byte(id), 1),
	}
}

// size is how long the incident of an event is.
func (e *benchEvents) size() int {
	all := 0
	for _, b := range e.bodies {
		all += len(b)
	}
	return all / len(e.bodies)
}

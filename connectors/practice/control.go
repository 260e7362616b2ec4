package practice

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

func isControl(path string) bool { return path == "/practice" || strings.HasPrefix(path, "/practice/") }

// Control serves what is not Microsoft's:
//
//	GET    /practice/audit      every change so far, a JSON array of Change
//	GET    /practice/state      the company as canonical JSON, without what any
//	                            write changes by itself: etags, modification
//	                            times and authors, ids and URLs of permissions
//	POST   /practice/incidents  puts a Graph incident body with its alerts into
//	                            the company; answers {"id": "..."}
//	PATCH  /practice/incidents/{id}
//	                            what Defender itself does later: overwrites
//	                            the properties given, adds the alerts given
//	POST   /practice/incidents/{id}/merge
//	                            what Defender itself does when it sees that two
//	                            are one: {"into": "..."} moves the alerts there
//	                            and redirects this one
//	PATCH  /practice/machineactions/{id}
//	                            what the device itself says: {"status":
//	                            "Failed"}, Succeeded or TimeOut
//	POST   /practice/subscriptions/{id}/lifecycle
//	                            what Graph itself does later: {"lifecycleEvent":
//	                            "missed"}, reauthorizationRequired or
//	                            subscriptionRemoved
//	POST   /practice/mail       lets a person, or somebody outside, send a mail
//	                            to a mailbox: {from, signed_in, to, subject,
//	                            body, html, in_reply_to, headers, at}; answers
//	                            {"internetMessageId": "<...>"}
//	POST   /practice/faults     sets what goes wrong from now on, a JSON array;
//	                            [] clears
//	GET    /practice/faults     what is set
//	DELETE /practice/faults     clears
func (t *Tenant) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /practice/audit", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, t.Changes())
	})
	mux.HandleFunc("GET /practice/state", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(t.State())
	})
	mux.HandleFunc("POST /practice/incidents", t.postIncident)
	mux.HandleFunc("PATCH /practice/incidents/{id}", t.patchIncident)
	mux.HandleFunc("POST /practice/incidents/{id}/merge", t.mergeIncident)
	mux.HandleFunc("PATCH /practice/machineactions/{id}", t.patchAction)
	mux.HandleFunc("POST /practice/subscriptions/{id}/lifecycle", t.postLifecycle)
	mux.HandleFunc("POST /practice/mail", t.postMail)
	mux.HandleFunc("GET /practice/faults", func(w http.ResponseWriter, _ *http.Request) {
		t.mu.Lock()
		defer t.mu.Unlock()
		answer(w, http.StatusOK, append([]*fault{}, t.faults...))
	})
	mux.HandleFunc("POST /practice/faults", t.postFaults)
	mux.HandleFunc("DELETE /practice/faults", func(w http.ResponseWriter, _ *http.Request) {
		t.setFaults(nil)
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a reader that left cannot be told
}

func complain(w http.ResponseWriter, format string, args ...any) {
	answer(w, http.StatusBadRequest, object{"error": object{"code": "badRequest", "message": fmt.Sprintf(format, args...)}})
}

func (t *Tenant) postIncident(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		complain(w, "the incident can't be read: %v", err)
		return
	}
	id, err := t.Inject(raw)
	if err != nil {
		complain(w, "incident: %v", err)
		return
	}
	answer(w, http.StatusCreated, object{"id": id})
}

// Inject puts a Graph incident body with its alerts into the company, as POST
// /practice/incidents does, and answers its id. Times that are missing become
// now, an id that is missing is given. With an id that is taken the incident is
// a new one: it and its alerts get new ids and its times are now.
func (t *Tenant) Inject(body []byte) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.amended = true
	return t.world.addIncident(body, new(t.o.Now()))
}

func (t *Tenant) patchIncident(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		complain(w, "the incident can't be read: %v", err)
		return
	}
	if err := t.Amend(r.PathValue("id"), raw); err != nil {
		complain(w, "incident: %v", err)
		return
	}
	answer(w, http.StatusOK, object{"id": r.PathValue("id")})
}

// Amend changes an incident as Defender itself does, as PATCH
// /practice/incidents/{id} does: the properties given are overwritten, the
// alerts given are added, and its last update is now unless given. It is no
// write of an application and not in the audit.
func (t *Tenant) Amend(id string, body []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.amended = true
	if i := t.world.incidents[id]; i != nil {
		t.stale[i.target()] = &version{before: i.clone()}
	}
	return t.world.amendIncident(id, body, t.o.Now())
}

func (t *Tenant) mergeIncident(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Into string `json:"into"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		complain(w, "the merge can't be read: %v; expected {\"into\": \"40211\"}", err)
		return
	}
	if err := t.Merge(r.PathValue("id"), in.Into); err != nil {
		complain(w, "merge: %v", err)
		return
	}
	answer(w, http.StatusOK, object{"id": in.Into})
}

// Merge makes one of two incidents, as Defender itself does and as POST
// /practice/incidents/{id}/merge does: the alerts of the first move to the
// second, to which it is redirected from then on. It is no write of an
// application and not in the audit.
func (t *Tenant) Merge(id, into string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.amended = true
	return t.world.mergeIncident(id, into, t.o.Now())
}

func (t *Tenant) patchAction(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Status string `json:"status"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		complain(w, "the machine action can't be read: %v; expected {\"status\": \"Failed\"}", err)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.o.Now()
	t.world.settle(now)
	if err := t.world.endAction(r.PathValue("id"), in.Status, now); err != nil {
		complain(w, "%v", err)
		return
	}
	t.amended = true
	t.world.settle(now)
	answer(w, http.StatusOK, object{"id": r.PathValue("id")})
}

func (t *Tenant) postLifecycle(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Event string `json:"lifecycleEvent"`
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		complain(w, "the lifecycle event can't be read: %v; expected {\"lifecycleEvent\": \"missed\"}", err)
		return
	}
	if err := t.Lifecycle(r.PathValue("id"), in.Event); err != nil {
		complain(w, "%v", err)
		return
	}
	answer(w, http.StatusAccepted, object{"id": r.PathValue("id")})
}

func (t *Tenant) postFaults(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		complain(w, "the faults can't be read: %v", err)
		return
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	var list []*fault
	if err := d.Decode(&list); err != nil {
		complain(w, "faults: %s; expected an array of {method, path, times, after, status, headers, body, delay, cut, stale_reads}", describe(raw, d.InputOffset(), err))
		return
	}
	for i, f := range list {
		if f == nil {
			complain(w, "faults[%d] is null", i)
			return
		}
		if err := f.valid(); err != nil {
			complain(w, "faults[%d]: %v", i, err)
			return
		}
	}
	t.setFaults(list)
	w.WriteHeader(http.StatusNoContent)
}

func (t *Tenant) setFaults(list []*fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults = list
}

// Knows reports whether the company has an incident of that id.
func (t *Tenant) Knows(incident string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.world.incidents[incident] != nil
}

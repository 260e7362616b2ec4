package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
	"stanch/engine"
)

// killBook contains a file, and deletes it when the incident is severe: every
// class of effect, in a loop, with what may be repeated and what may not.
const killBook = `playbook: contain
title: Contain
status: stable
on:
  incident: {events: [created]}
guardrails: {max_targets: {files: 10}}
steps:
  - id: each
    for_each: evidence.files
    as: file
    steps:
      - id: access
        uses: files.list_permissions
        with: {file: "${{ file }}"}
        retry: {attempts: 8, initial: 200ms, cap: 2s}
      - set:
          outside: filter(steps.access.permissions, .scope in ["anonymous", "external"] and not .inherited)
      - if: len(vars.outside) > 0
        uses: files.unshare
        with: {file: "${{ file }}", permissions: "${{ map(vars.outside, .id) }}"}
        timeout: 2s
        retry: {attempts: 8, initial: 200ms, cap: 2s}
      - if: incident.severity == "high"
        uses: files.delete
        with: {file: "${{ file }}"}
        timeout: 2s
        retry: {attempts: 8, initial: 200ms, cap: 2s}
  - uses: incidents.tag
    with: {incident: "${{ incident.id }}", add: [contained]}
    timeout: 2s
    retry: {attempts: 8, initial: 200ms, cap: 2s}
  - uses: incidents.assign
    with: {incident: "${{ incident.id }}", to: dana.officer@contoso.example}
    timeout: 2s
    retry: {attempts: 8, initial: 200ms, cap: 2s}
  - uses: incidents.comment
    with: {incident: "${{ incident.id }}", text: "Contained by run ${{ run.id }}"}
    timeout: 2s
    retry: {attempts: 8, initial: 200ms, cap: 2s}
`

// inFlight is how many runs are under way at each kill.
const inFlight = 200

// TestAKillLosesNothingAndRepeatsNothing kills a real `stanch serve` with 200
// runs in flight, 20 times at random moments (5 with -short, or as often as
// STANCH_KILLS says). The tenant's audit is the judge.
func TestAKillLosesNothingAndRepeatsNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("STANCH_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 0, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("STANCH_SEED=%d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	for _, name := range []string{"STANCH_CONFIG", "STANCH_STORE"} {
		t.Setenv(name, "") // the store of whoever runs the tests is left alone
	}
	server := practicetest.Start(t, practice.Options{Latency: 60 * time.Millisecond, Observe: func(practice.Exchange) {}})
	k := &killTest{t: t, server: server, dir: t.TempDir(), unknown: map[string]bool{}}
	k.prepare()
	kills := 20
	if testing.Short() {
		kills = 5
	}
	if n, err := strconv.Atoi(os.Getenv("STANCH_KILLS")); err == nil {
		kills = n
	}
	for range kills {
		for k.injected-k.finished() < inFlight {
			k.inject()
		}
		serve := k.serve()
		<-time.After(time.Duration(300+dice.IntN(1200)) * time.Millisecond)
		if err := serve.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = serve.Wait()
	}
	serve := k.serve()
	k.quiet()
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := serve.Wait(); err != nil {
		t.Errorf("serve after SIGTERM: %v\n%s", err, k.log())
	}
	k.judge()
}

type killTest struct {
	t        *testing.T
	server   *practicetest.Server
	dir      string
	files    []killFile
	template map[string]any
	injected int
	unknown  map[string]bool // effects that a person had to resolve
}

type killFile struct{ folder, name string }

// prepare writes the operator's folder and learns the company's files.
func (k *killTest) prepare() {
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(k.dir, name)), 0o700); err != nil {
			k.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
			k.t.Fatal(err)
		}
	}
	write("ca.pem", string(k.server.CAPEM))
	write("playbooks/contain.yaml", killBook)
	write("stanch.yaml", fmt.Sprintf(`store: sqlite:%s/stanch.db
playbooks: [%s/playbooks]
tenant: {cloud: practice, authority: "%s", ca: %s/ca.pem}
feed: {poll: 1s, since: 1h}
own_domains: [contoso.example]
`, k.dir, k.dir, k.server.URL, k.dir))
	var state struct {
		Sites []struct {
			URL   string `json:"url"`
			Items []struct {
				Folder bool   `json:"folder"`
				Path   string `json:"path"`
			} `json:"items"`
		} `json:"sites"`
	}
	k.get("/practice/state", &state)
	for _, s := range state.Sites {
		library := "/Shared Documents"
		if strings.Contains(s.URL, "-my.") {
			library = "/Documents"
		}
		for _, i := range s.Items {
			if !i.Folder {
				folder, name := filepath.Split(i.Path)
				k.files = append(k.files, killFile{s.URL + library + strings.TrimSuffix(folder, "/"), name})
			}
		}
	}
	raw, err := os.ReadFile("../../examples/fixtures/external-share.json")
	if err != nil {
		k.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &k.template); err != nil {
		k.t.Fatal(err)
	}
}

// inject opens one more incident about a file that no other is about.
func (k *killTest) inject() {
	k.injected++
	n := k.injected
	raw, err := json.Marshal(k.template)
	if err != nil {
		k.t.Fatal(err)
	}
	var in map[string]any
	if err := json.Unmarshal(raw, &in); err != nil {
		k.t.Fatal(err)
	}
	in["id"], in["severity"] = strconv.Itoa(50_000+n), "medium"
	if n%4 == 0 {
		in["severity"] = "high"
	}
	now := time.Now().UTC().Format(time.RFC3339Nano)
	in["createdDateTime"], in["lastUpdateDateTime"] = now, now
	alert := in["alerts"].([]any)[0].(map[string]any)
	alert["id"], alert["incidentId"] = fmt.Sprintf("dl-kill-%d", n), in["id"]
	evidence := alert["evidence"].([]any)
	kept := evidence[:0]
	for _, e := range evidence {
		e := e.(map[string]any)
		if e["@odata.type"] == "#microsoft.graph.security.fileEvidence" {
			if n > len(k.files) {
				continue // no file is left: the incident is only tagged, assigned and commented on
			}
			details := e["fileDetails"].(map[string]any)
			details["filePath"], details["fileName"] = k.files[n-1].folder, k.files[n-1].name
		}
		kept = append(kept, e)
	}
	alert["evidence"] = kept
	body, err := json.Marshal(in)
	if err != nil {
		k.t.Fatal(err)
	}
	resp, err := http.Post(k.server.PlainURL+"/practice/incidents", "application/json", bytes.NewReader(body))
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(resp.Body)
		k.t.Fatalf("inject: %s: %s", resp.Status, text)
	}
}

func (k *killTest) get(path string, into any) {
	k.t.Helper()
	resp, err := http.Get(k.server.PlainURL + path)
	if err != nil {
		k.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		k.t.Fatal(err)
	}
}

type auditLine struct {
	RequestID string `json:"request_id"`
	Operation string `json:"operation"`
	Target    string `json:"target"`
	Status    int    `json:"status"`
}

func (k *killTest) audit() []auditLine {
	var lines []auditLine
	k.get("/practice/audit", &lines)
	return lines
}

// finished is how many runs have reached their last step.
func (k *killTest) finished() int {
	done := map[string]bool{}
	for _, l := range k.audit() {
		if l.Operation == "incident.comment" {
			done[l.Target] = true
		}
	}
	return len(done)
}

func (k *killTest) serve() *exec.Cmd {
	logs, err := os.OpenFile(filepath.Join(k.dir, "serve.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		k.t.Fatal(err)
	}
	defer logs.Close()
	cmd := exec.Command("stanch", "serve", "--config", filepath.Join(k.dir, "stanch.yaml"))
	cmd.Stdout, cmd.Stderr = logs, logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	return cmd
}

func (k *killTest) log() string {
	raw, _ := os.ReadFile(filepath.Join(k.dir, "serve.log"))
	return string(raw[max(0, len(raw)-8000):])
}

// stanch runs a command and answers what it printed.
func (k *killTest) stanch(args ...string) []byte {
	k.t.Helper()
	args = append(args, "--config", filepath.Join(k.dir, "stanch.yaml"))
	var errs bytes.Buffer
	cmd := exec.Command("stanch", args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		k.t.Fatalf("stanch %v: %v\n%s", args, err, errs.String())
	}
	return out
}

func (k *killTest) runs() []killRun {
	k.t.Helper()
	var runs []killRun
	if err := json.Unmarshal(k.stanch("runs", "list", "--limit", "100000", "--output", "json"), &runs); err != nil {
		k.t.Fatal(err)
	}
	return runs
}

func (k *killTest) show(r *killRun, id string) {
	k.t.Helper()
	if err := json.Unmarshal(k.stanch("runs", "show", id, "--output", "json"), r); err != nil {
		k.t.Fatal(err)
	}
}

type killRun struct {
	ID         string        `json:"id"`
	Status     string        `json:"status"`
	Error      *engine.Fault `json:"error"`
	FinishedAt *time.Time    `json:"finished_at"`
	WaitsFor   []string      `json:"waits_for"`
	Steps      []struct {
		Path    string `json:"path"`
		Status  string `json:"status"`
		Effects []struct {
			ID     string `json:"id"`
			Action string `json:"action"`
			Status string `json:"status"`
			Why    string `json:"why"`
		} `json:"effects"`
	} `json:"steps"`
}

// quiet waits until every run has ended; what waits for a person is resolved.
func (k *killTest) quiet() {
	for range 240 {
		runs := k.runs()
		open := 0
		for _, r := range runs {
			if r.Status == "queued" || r.Status == "running" || r.Status == "waiting" {
				open++
			}
		}
		if open == 0 && len(runs) >= k.injected {
			return
		}
		k.resolve(runs)
		<-time.After(time.Second)
	}
	for _, r := range k.runs() {
		if r.FinishedAt == nil {
			k.t.Logf("run %s is %s: %v", r.ID, r.Status, r.WaitsFor)
		}
	}
	k.t.Fatalf("the runs have not come to rest\n%s", k.log())
}

// resolve tells, as a person who has looked, what became of the effects that
// wait for one.
func (k *killTest) resolve(runs []killRun) {
	happened := map[string]bool{}
	for _, l := range k.audit() {
		happened[l.RequestID] = true
	}
	for _, r := range runs {
		if r.Status != "waiting" {
			continue
		}
		var full killRun
		k.show(&full, r.ID)
		for _, s := range full.Steps {
			if s.Status != "unknown" {
				continue
			}
			for _, e := range s.Effects {
				if e.Status != "unknown" {
					continue
				}
				k.t.Logf("unknown: %s at %s of run %s: %s", e.Action, s.Path, r.ID, e.Why)
				k.unknown[e.ID] = true
				word := "--not-done"
				if happened[e.ID] {
					word = "--done"
				}
				k.stanch("runs", "resolve", r.ID, s.Path, word)
			}
		}
	}
}

// judge holds the runs against the tenant's audit.
func (k *killTest) judge() {
	runs := k.runs()
	byID := map[string][]auditLine{}
	audit := k.audit()
	destroyed := map[string]int{}
	for _, l := range audit {
		byID[l.RequestID] = append(byID[l.RequestID], l)
		if l.Operation == "item.delete" {
			destroyed[l.Target]++
		}
	}
	for target, n := range destroyed {
		if n > 1 {
			k.t.Errorf("%s was deleted %d times", target, n)
		}
	}
	known := map[string]bool{}
	given := 0 // up: three kills struck the same step of them
	for _, r := range runs {
		var full killRun
		k.show(&full, r.ID)
		failed := false
		for _, s := range full.Steps {
			for _, e := range s.Effects {
				known[e.ID] = true
				lines := byID[e.ID]
				switch e.Status {
				case "done", "already_so":
				case "not_done":
					if len(lines) > 0 {
						k.t.Errorf("run %s: %s at %s is not done (%s), but the audit has it", r.ID, e.Action, s.Path, e.Why)
					}
					k.t.Logf("run %s: %s at %s was not done: %s", r.ID, e.Action, s.Path, e.Why)
					failed = true
				default:
					k.t.Errorf("run %s: %s at %s has no outcome: %s", r.ID, e.Action, s.Path, e.Status)
				}
				once := e.Action == "files.unshare" || e.Action == "files.delete"
				if once && len(lines) > 1 {
					k.t.Errorf("run %s: %s at %s stands %d times in the audit", r.ID, e.Action, s.Path, len(lines))
				}
				if e.Status == "done" && len(lines) == 0 {
					k.t.Errorf("run %s: %s at %s is done and not in the audit", r.ID, e.Action, s.Path)
				}
			}
		}
		kept := full.Error != nil && full.Error.Code == "refused" && strings.Contains(full.Error.Message, "the retention label") // one of the files has one
		if full.Error != nil && strings.Contains(full.Error.Message, "the worker was lost three times") {
			given, failed = given+1, true
		}
		if full.Status != "succeeded" && !failed && !kept {
			k.t.Errorf("run %s is %s: %v", r.ID, full.Status, full.Error)
		}
	}
	for id, lines := range byID {
		if !known[id] {
			k.t.Errorf("the audit has %s on %s under %q, which no run knows", lines[0].Operation, lines[0].Target, id)
		}
	}
	if given > len(runs)/20 {
		k.t.Errorf("%d of %d runs were given up", given, len(runs))
	}
	if len(runs) < k.injected {
		k.t.Errorf("%d runs for %d incidents", len(runs), k.injected)
	}
	k.t.Logf("%d incidents, %d runs, %d changes in the tenant, %d unknown", k.injected, len(runs), len(audit), len(k.unknown))
}

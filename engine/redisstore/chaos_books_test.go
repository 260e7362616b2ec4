package redisstore_test

import (
	"testing"

	"stanch/engine"
	"stanch/playbooks"
)

// chaosBooks are the playbooks of the chaos tests, without their heads, by id.
func chaosBooks() map[string]string {
	return map[string]string{
		"linear": `
guardrails: {max_targets: {files: 10}}
steps:
  - uses: chaos.read
    with: {thing: "${{ run.id }}"}
  - uses: chaos.write
    with: {thing: "${{ run.id }}-a"}
    retry: {attempts: 30, initial: 50ms, cap: 500ms}
  - wait: 300ms
  - uses: chaos.destroy
    with: {thing: "${{ run.id }}-b"}
    retry: {attempts: 30, initial: 50ms, cap: 500ms}
  - uses: chaos.read
    with: {thing: "${{ run.id }}"}
finally:
  - uses: chaos.write
    with: {thing: "${{ run.id }}-c"}
    retry: {attempts: 30, initial: 50ms, cap: 500ms}
`,
		"fan": `
guardrails: {max_targets: {files: 100}}
steps:
  - id: each
    for_each: evidence.files
    as: file
    max_parallel: 8
    steps:
      - id: got
        uses: chaos.read
        with: {thing: "${{ file }}"}
      - uses: chaos.write
        with: {thing: "${{ run.id }}-${{ file.id }}"}
        retry: {attempts: 30, initial: 50ms, cap: 500ms}
    collect: {v: steps.got.value}
  - set: {n: len(steps.each.items)}
  - uses: chaos.destroy
    with: {thing: "${{ run.id }}-${{ vars.n }}"}
    retry: {attempts: 30, initial: 50ms, cap: 500ms}
`,
		"branches": `
guardrails: {max_targets: {files: 10}}
steps:
  - parallel:
      - uses: chaos.write
        with: {thing: "${{ run.id }}-left"}
        retry: {attempts: 30, initial: 50ms, cap: 500ms}
      - steps:
          - wait: 200ms
          - uses: chaos.destroy
            with: {thing: "${{ run.id }}-middle"}
            retry: {attempts: 30, initial: 50ms, cap: 500ms}
      - steps:
          - uses: chaos.read
            with: {thing: right}
          - uses: chaos.read
            with: {thing: right}
  - uses: chaos.write
    with: {thing: "${{ run.id }}-after"}
    retry: {attempts: 30, initial: 50ms, cap: 500ms}
`,
		"asks": `
guardrails: {max_targets: {files: 10}}
steps:
  - approve: {ask: Well, targets: evidence.files, covers: [each], approvers: [officers], timeout: 20s, on_timeout: reject}
  - id: each
    for_each: evidence.files
    as: file
    steps:
      - uses: chaos.destroy
        with: {thing: "${{ file }}"}
        retry: {attempts: 30, initial: 50ms, cap: 500ms}
`,
		"capped": `
guardrails: {max_targets: {files: 1}}
steps:
  - uses: chaos.write
    with: {thing: "${{ run.id }}-one"}
    retry: {attempts: 30, initial: 50ms, cap: 500ms}
  - uses: chaos.write
    with: {thing: "${{ run.id }}-two"}
    retry: {attempts: 30, initial: 50ms, cap: 500ms}
`,
		"steady": `
guardrails: {max_targets: {files: 10}}
steps:
  - uses: chaos.read
    with: {thing: "${{ run.id }}"}
  - uses: chaos.read
    with: {thing: "${{ run.id }}"}
  - uses: chaos.write
    with: {thing: "${{ run.id }}-steady"}
`,
		"queued":   chaosKeyed("queue"),
		"skipped":  chaosKeyed("skip"),
		"replaced": chaosKeyed("replace"),
		"narrow": `
concurrency: {when_busy: queue}
guardrails: {max_targets: {files: 10}}
steps:
  - uses: chaos.write
    with: {thing: "${{ run.id }}-narrow"}
    retry: {attempts: 30, initial: 50ms, cap: 500ms}
  - wait: 100ms
`,
	}
}

// chaosKeyed is a playbook with a concurrency key for all subjects.
func chaosKeyed(when string) string {
	return `
concurrency: {key: "${{ incident.title }}", when_busy: ` + when + `}
guardrails: {max_targets: {files: 10}}
steps:
  - uses: chaos.read
    with: {thing: "${{ run.id }}"}
  - uses: chaos.write
    with: {thing: "${{ run.id }}-keyed"}
    retry: {attempts: 30, initial: 50ms, cap: 500ms}
  - wait: 200ms
`
}

// loadChaos checks the playbooks.
func loadChaos(t *testing.T, e *engine.Engine) map[string]*playbooks.Playbook {
	t.Helper()
	books := map[string]*playbooks.Playbook{}
	for id, text := range chaosBooks() {
		head := "playbook: " + id + "\ntitle: Chaos\nstatus: stable\non:\n  incident: {events: [created]}\n"
		book, findings := playbooks.LoadAndCheck(id+".yaml", []byte(head+text), e.World())
		for _, f := range findings {
			if playbooks.HasErrors([]playbooks.Finding{f}) {
				t.Fatal(f.Text())
			}
		}
		books[id] = book
	}
	return books
}

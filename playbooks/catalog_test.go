package playbooks

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"stanch/actions"
	"stanch/connectors/incident"
)

// The actions of these tests have the names and the shapes of the first shelves,
// and do nothing.

type permission struct {
	ID        string   `json:"id"`
	Scope     string   `json:"scope" enum:"anonymous,external,organization,internal"`
	Roles     []string `json:"roles"`
	Link      *string  `json:"link,omitempty"`
	Grantees  []string `json:"grantees"`
	Inherited bool     `json:"inherited"`
}

type (
	onFile struct {
		File actions.Ref[incident.File] `json:"file" entity:"file"`
	}
	fileFacts struct {
		Name  string  `json:"name"`
		Label *string `json:"label,omitempty"`
		Size  int64   `json:"size"`
	}
	permissions struct {
		Permissions []permission `json:"permissions"`
	}
	unshare struct {
		File        actions.Ref[incident.File] `json:"file" entity:"file"`
		Permissions []string                   `json:"permissions"`
	}
	share struct {
		File  actions.Ref[incident.File] `json:"file" entity:"file"`
		With  []string                   `json:"with"`
		Role  string                     `json:"role" enum:"read,write"`
		Quiet *bool                      `json:"quiet,omitempty"`
	}
	label struct {
		File          actions.Ref[incident.File] `json:"file" entity:"file"`
		Label         string                     `json:"label"`
		Justification string                     `json:"justification,omitempty" weakens:"the label may be lowered"`
	}
	query struct {
		Query string `json:"query" lang:"kql"`
		Days  int    `json:"days,omitempty"`
	}
	page struct {
		Body string `json:"body" lang:"html"`
	}
	onIncident struct {
		Incident actions.Ref[incident.Incident] `json:"incident" entity:"incident"`
	}
	tagging struct {
		Incident actions.Ref[incident.Incident] `json:"incident" entity:"incident"`
		Add      []string                       `json:"add,omitempty"`
		Remove   []string                       `json:"remove,omitempty"`
	}
	comment struct {
		Incident actions.Ref[incident.Incident] `json:"incident" entity:"incident"`
		Text     string                         `json:"text"`
	}
	assign struct {
		Incident actions.Ref[incident.Incident] `json:"incident" entity:"incident"`
		To       string                         `json:"to"`
	}
	resolve struct {
		Incident       actions.Ref[incident.Incident] `json:"incident" entity:"incident"`
		Classification string                         `json:"classification" enum:"truePositive,falsePositive,informationalExpectedActivity"`
		Comment        *string                        `json:"comment,omitempty"`
	}
	isolate struct {
		Device  actions.Ref[incident.Device] `json:"device" entity:"device"`
		Type    string                       `json:"type" enum:"full,selective"`
		Comment string                       `json:"comment"`
	}
	onDevice struct {
		Device actions.Ref[incident.Device] `json:"device" entity:"device"`
	}
	onUser struct {
		User actions.Ref[incident.User] `json:"user" entity:"user"`
	}
	done struct {
		Done bool `json:"done"`
	}
	pages struct {
		Limit    int                        `json:"limit"`
		Ratio    float64                    `json:"ratio,omitempty"`
		Deep     *bool                      `json:"deep,omitempty"`
		Extra    json.RawMessage            `json:"extra,omitempty"`
		Headers  map[string]string          `json:"headers,omitempty"`
		Owner    *onUserRecord              `json:"owner,omitempty"`
		Incident actions.Ref[incident.User] `json:"incident,omitzero"`
	}
	onUserRecord struct {
		Name string `json:"name"`
		Mail string `json:"mail,omitempty"`
	}
)

// testCatalog is what the playbooks of these tests may use.
func testCatalog() *actions.Catalog {
	return actions.Of(map[string]actions.Action{
		"files.get":                   reading[onFile, fileFacts](),
		"files.list_permissions":      reading[onFile, permissions](),
		"files.unshare":               undoable[unshare, done](),
		"files.share":                 undoable[share, done](),
		"files.set_sensitivity_label": undoable[label, done](),
		"files.delete":                changing[onFile, done](actions.Destroys),
		"incidents.get":               reading[onIncident, incident.Incident](),
		"incidents.assign":            writing[assign, done]("assigned_to"),
		"incidents.tag":               writing[tagging, done]("tags"),
		"incidents.comment":           commenting(),
		"incidents.resolve":           writing[resolve, done]("status", "classification", "comments"),
		"devices.isolate":             undoable[isolate, done](),
		"devices.release":             changing[onDevice, done](actions.Writes),
		"users.revoke_sessions":       changing[onUser, done](actions.Writes),
		"test.pages":                  reading[pages, done](),
		"test.old":                    old(),
		"files.inspect_site":          unpermitted(),
		"hunting.query":               reading[query, done](),
		"notify.email":                reading[page, done](),
	})
}

func reading[P, R any]() actions.Action {
	return actions.Spec[P, R]{
		Doc: "Reads.", Class: actions.Reads,
		Read: func(context.Context, actions.Call, P) (r R, err error) { return r, nil },
	}.Action()
}

func changing[P, R any](class actions.Class) actions.Action {
	return actions.Spec[P, R]{
		Doc: "Changes.", Class: class, NoUndo: "tests have no world",
		Plan: func(context.Context, actions.Call, P) (e []actions.Effect, r R, err error) { return nil, r, nil },
		Do: func(context.Context, actions.Call, actions.Effect) (actions.Outcome, error) {
			return actions.Outcome{}, nil
		},
		Check: func(context.Context, actions.Call, actions.Effect) (actions.Finding, error) {
			return actions.Finding{Answer: actions.Happened}, nil
		},
	}.Action()
}

// undoable is an action whose effects have an inverse.
func undoable[P, R any]() actions.Action {
	return actions.Spec[P, R]{
		Doc: "Changes and back.", Class: actions.Writes,
		Plan: func(context.Context, actions.Call, P) (e []actions.Effect, r R, err error) { return nil, r, nil },
		Do: func(context.Context, actions.Call, actions.Effect) (actions.Outcome, error) {
			return actions.Outcome{}, nil
		},
		Check: func(context.Context, actions.Call, actions.Effect) (actions.Finding, error) {
			return actions.Finding{Answer: actions.Happened}, nil
		},
		Undo: func(context.Context, actions.Call, actions.Effect) (actions.Inverse, error) {
			return actions.Inverse{}, nil
		},
	}.Action()
}

// writing is an undoable action that writes fields of incidents.
func writing[P, R any](fields ...string) actions.Action {
	a := undoable[P, R]()
	a.Writes = fields
	return a
}

// commenting is done twice without harm.
func commenting() actions.Action {
	a := changing[comment, done](actions.Writes)
	a.Repeat, a.Writes = actions.RepeatHarmless, []string{"comments"}
	return a
}

func old() actions.Action {
	a := reading[onFile, fileFacts]()
	a.Deprecated = "use files.get"
	return a
}

func testWorld() World {
	return World{
		Catalog: testCatalog(), OwnDomains: []string{"contoso.example"},
		Labels: []string{}, Calls: testCalls(), Groups: map[string][]string{"dlp-officers": {"dana.officer@contoso.example", "omar.officer@contoso.example"}},
		Lacks: func(p actions.Permission) bool { return p.Name == "Sites.FullControl.All" },
		Hunts: func(p *Playbook) (wrong, hint string) {
			if strings.Contains(p.On.Hunting.Query, "ClouldAppEvents") {
				return "the service refuses the query: there is no table ClouldAppEvents", ""
			}
			return "", ""
		},
	}
}

// unpermitted needs what the app of these tests has not been granted.
func unpermitted() actions.Action {
	a := reading[onFile, fileFacts]()
	a.Permissions = []actions.Permission{{API: "graph", Name: "Sites.FullControl.All"}}
	return a
}

// testCalls are playbooks that others may call.
func testCalls() map[string]Source {
	calls := map[string]Source{}
	for id, text := range map[string]string{
		"notify-owner":    "params:\n  user: {type: string}\nsteps:\n  - uses: incidents.comment\n    with: {incident: i-1, text: \"For ${{ params.user }}\"}\n",
		"tell-owner":      "params:\n  about: {type: string}\nsteps:\n  - uses: incidents.comment\n    with: {incident: \"${{ params.about }}\", text: Told}\n",
		"delete-and-tell": "params:\n  files: {type: [string]}\n  about: {type: string}\nsteps:\n  - for_each: params.files\n    as: file\n    steps:\n      - uses: files.delete\n        with: {file: \"${{ file }}\"}\n  - call: tell-owner\n    with: {about: \"${{ params.about }}\"}\n",
		"old-way":         "status: deprecated\nsteps:\n  - stop: x\n",
		"has-errors":      "steps:\n  - uses: files.vanish\n",
		"tag-incident":    "on: {incident: {}}\nsteps:\n  - uses: incidents.tag\n    with: {incident: \"${{ incident.id }}\", add: [seen]}\n",
		"count-labels":    "params:\n  files: {type: [string]}\n  least: {type: integer, minimum: 1}\nsteps:\n  - if: len(params.files) < params.least\n    stop: Too few\n  - id: facts\n    for_each: params.files\n    as: file\n    steps:\n      - id: of\n        uses: files.get\n        with: {file: \"${{ file }}\"}\n    collect:\n      label: steps.of.label\noutputs:\n  found: count(steps.facts.items, .label != nil)\n  looked: steps.facts.total\n",
		"delete-files":    "params:\n  files: {type: [string]}\nsteps:\n  - for_each: params.files\n    as: file\n    steps:\n      - uses: files.delete\n        with: {file: \"${{ file }}\"}\n",
		"deep-9":          "steps:\n  - stop: x\n",
	} {
		calls[id] = Source{File: id + ".yaml", Text: []byte("playbook: " + id + "\n" + text)}
	}
	for i := 1; i < 9; i++ {
		id := fmt.Sprintf("deep-%d", i)
		calls[id] = Source{File: id + ".yaml", Text: fmt.Appendf(nil, "playbook: %s\nsteps:\n  - call: deep-%d\n", id, i+1)}
	}
	return calls
}

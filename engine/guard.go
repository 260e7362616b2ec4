package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/playbooks"
)

// verdict is what the guardrails say of one effect.
type verdict struct {
	refuse   string
	question *Question
	take     []Take
}

// guard asks the guardrails, the stricter of the operator's and the
// playbook's, right before an intent.
func (h *holding) guard(ctx context.Context, t *task, e *effectState) (verdict, error) {
	if why := h.e.protects(h.st.books(), e.Effect); why != "" {
		return verdict{refuse: why}, nil
	}
	v, err := h.covered(ctx, t, e)
	if err != nil || v.refuse != "" || v.question != nil {
		return v, err
	}
	p := h.st.at(t.path)
	for _, take := range h.takes(e.Effect) {
		if p.ask[capKey(kindOf(take.Name), e.ID)].approved(h.st.now) {
			continue // a person allowed this very effect
		}
		v.take = append(v.take, take)
	}
	return v, nil
}

// takes are the reservations that an effect needs, by kind of entity.
func (h *holding) takes(e actions.Effect) []Take {
	caps := h.e.caps(h.st.books())
	var takes []Take
	for _, kind := range slices.Sorted(maps.Keys(caps)) {
		var targets []string
		for _, entity := range e.Target.Entities {
			if plural(entity.Kind) == kind {
				targets = append(targets, entity.ID)
			}
		}
		if len(targets) > 0 {
			takes = append(takes, Take{Name: h.st.run.capped() + "/" + kind, Limit: caps[kind], Effect: e.ID, Targets: targets})
		}
	}
	return takes
}

// kindOf is the kind of entity that a cap counts, from its name in the store.
func kindOf(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

func capKey(kind, effect string) string { return "cap " + kind + " " + effect }

// plural is how guardrails name a kind of entity.
func plural(kind string) string {
	if kind == "mailbox" {
		return "mailboxes"
	}
	return kind + "s"
}

// caps answers the limits of targets by kind, in the plural: the strictest of
// the operator's and of the playbooks'.
func (e *Engine) caps(books []*playbooks.Playbook) map[string]int {
	caps := map[string]int{}
	maps.Copy(caps, e.o.Guardrails.MaxTargets)
	for _, book := range books {
		for kind, n := range book.Guardrails.MaxTargets {
			if known, ok := caps[kind]; !ok || n < known {
				caps[kind] = n
			}
		}
	}
	return caps
}

// protects answers why an effect is forbidden, or "". Entities were resolved
// by the action before; every name of them counts, without case. The people who
// could stop us are always protected.
func (e *Engine) protects(books []*playbooks.Playbook, effect actions.Effect) string {
	if len(effect.Target.Entities) == 0 {
		return fmt.Sprintf("%s names nothing that it acts upon, so it cannot be told whether that is protected", effect.Action)
	}
	for _, entity := range effect.Target.Entities {
		if entity.ID == "" {
			return fmt.Sprintf("%s %q could not be resolved, so it cannot be told whether it is protected", entity.Kind, entity.Name)
		}
		kind := plural(entity.Kind)
		protected := slices.Clone(e.o.Guardrails.Protect[kind])
		for _, book := range books {
			protected = append(protected, book.Guardrails.Protect[kind]...)
		}
		if name, hit := named(entity, protected); hit {
			return fmt.Sprintf("%s %s is protected", entity.Kind, name)
		}
		if entity.Kind != "user" {
			continue
		}
		for _, group := range slices.Sorted(maps.Keys(e.o.Groups)) {
			if name, hit := named(entity, e.o.Groups[group]); hit {
				return fmt.Sprintf("user %s is protected: a member of %s", name, group)
			}
		}
	}
	return ""
}

func named(entity actions.Entity, list []string) (string, bool) {
	for _, protected := range list {
		is := func(name string) bool { return name != "" && strings.EqualFold(name, protected) }
		if is(entity.ID) || is(entity.Name) || slices.ContainsFunc(entity.Aliases, is) {
			return protected, true
		}
	}
	return "", false
}

// capQuestion asks about an effect that would pass a cap.
func (h *holding) capQuestion(t *task, e actions.Effect, refused string) *Question {
	kind := kindOf(strings.TrimPrefix(refused, "cap "))
	limit := h.e.caps(h.st.books())[kind]
	return &Question{
		Key: capKey(kind, e.ID), Reason: reasonCap, Cap: kind,
		Ask:     fmt.Sprintf("%s Allow %s on %s as well?", capReached(limit, kind), e.Action, e.Target.Name),
		Targets: e.Target.Entities, Covers: []string{staticPath(t.path)}, Effects: []string{e.ID},
		Approvers: h.e.capApprovers(), Quorum: 1,
	}
}

func capReached(limit int, kind string) string {
	return fmt.Sprintf("The run has reached its cap of %d %s.", limit, kind)
}

func (e *Engine) capApprovers() []string {
	if len(e.o.CapAsks) > 0 {
		return e.o.CapAsks
	}
	return slices.Sorted(maps.Keys(e.o.Groups))
}

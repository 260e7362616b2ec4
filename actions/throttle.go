package actions

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
)

// Cost is how many units of its throttling class an action uses at most in the
// usual case, 1 where it says nothing: to read, to plan, or to check; and to send
// one effect.
type Cost struct{ Look, Send int64 }

func (c Cost) least() Cost { return Cost{max(c.Look, 1), max(c.Send, 1)} }

// Elsewhere tells how an action is counted on those targets that another API has
// than its others: on incidents of Sentinel, say.
type Elsewhere struct {
	Class string // throttling class there
	Cost  Cost   // what it costs of that
	Param string // the param that tells: the target's id, or its source
	First string // the first part of such an id; of an action that reads empty for any
}

// Use is how a call is counted: as so many units of a throttling class.
type Use struct {
	Class string
	Units int64
}

// LookUse is what reading or planning with params uses.
func (a Action) LookUse(params json.RawMessage) Use {
	class, cost := cmp.Or(a.Planning, a.Throttle), a.Cost
	if a.Elsewhere.Param != "" {
		var given map[string]json.RawMessage
		var text string
		if json.Unmarshal(params, &given) == nil && json.Unmarshal(given[a.Elsewhere.Param], &text) == nil && a.Elsewhere.has(text) {
			class, cost = a.Elsewhere.Class, a.Elsewhere.Cost
		}
	}
	return Use{class, cost.Look}
}

// CheckUse is what a look at an effect uses.
func (a Action) CheckUse(e Effect) Use {
	class, cost := a.on(e)
	return Use{class, cost.Look}
}

// SendUses are what sending an effect uses, that of the scarcest class first.
func (a Action) SendUses(e Effect) []Use {
	class, cost := a.on(e)
	uses := []Use{{class, cost.Send}}
	if a.Also != "" {
		uses = append([]Use{{a.Also, 1}}, uses...)
	}
	return uses
}

// on answers how the action is counted on the target of an effect.
func (a Action) on(e Effect) (class string, cost Cost) {
	if a.Elsewhere.First != "" && a.Elsewhere.has(e.Target.ID) {
		return a.Elsewhere.Class, a.Elsewhere.Cost
	}
	return a.Throttle, a.Cost
}

func (w Elsewhere) has(id string) bool {
	first, _, _ := strings.Cut(id, "/")
	return first == cmp.Or(w.First, first) && first != ""
}

// valid reports what is missing, of an action of a class.
func (w Elsewhere) valid(class Class) error {
	switch {
	case w == Elsewhere{}:
		return nil
	case w.Class == "" || w.Param == "":
		return errors.New("Elsewhere needs Class and Param")
	case class != Reads && w.First == "":
		return errors.New("Elsewhere of an action with effects needs First")
	}
	return nil
}

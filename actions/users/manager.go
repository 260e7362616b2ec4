package users

import (
	"context"
	"errors"
	"slices"

	"stanch/actions"
	"stanch/connectors"
	"stanch/connectors/incident"
)

type managerParams struct {
	User   actions.Ref[incident.User] `json:"user" entity:"user" doc:"user of the evidence, user principal name, object id, or entra:<object id>"`
	Levels int                        `json:"levels,omitempty" default:"1" doc:"how far up to go, 1 to 20; the chain ends earlier at who has no manager"`
}

type managerFound struct {
	User    person   `json:"user" doc:"whose managers they are"`
	Manager *person  `json:"manager,omitempty" doc:"the manager; absent when Entra names none"`
	Active  *person  `json:"active,omitempty" doc:"the nearest manager in the chain who may sign in; absent when there is none"`
	Chain   []person `json:"chain" doc:"the manager, the manager's manager, and so on; empty when there is none"`
	Ended   bool     `json:"ended" doc:"whether the last of the chain has no manager; false when levels ended it"`
}

// maxLevels bounds the chain: no company is deeper, and each level is a call.
const maxLevels = 20

// Manager looks up a user's manager, and those above.
func (s Shelf) Manager() actions.Action {
	return actions.Spec[managerParams, managerFound]{
		Doc:   "Look up a user's manager, and with levels the chain of managers above.",
		Class: actions.Reads, Throttle: throttle, Cost: actions.Cost{Look: 2}, Permissions: permissions(),
		Source:  "https://learn.microsoft.com/graph/api/user-list-manager",
		Example: "user: \"${{ user }}\"\nlevels: 3",
		Read:    s.manager,
	}.Action()
}

func (s Shelf) manager(ctx context.Context, _ actions.Call, p managerParams) (managerFound, error) {
	levels := p.Levels
	if levels == 0 {
		levels = 1
	}
	if levels < 1 || levels > maxLevels {
		return managerFound{}, problem("expected 1 to 20", "levels is %d", p.Levels)
	}
	u, _, err := s.find(ctx, p.User)
	if err != nil {
		return managerFound{}, err
	}
	out := managerFound{User: personOf(u), Chain: []person{}}
	above := []string{u.ID}
	for range levels {
		m, err := s.Graph.Manager(ctx, above[len(above)-1])
		if notFound(err) {
			out.Ended = true
			break
		}
		if err != nil {
			return managerFound{}, err
		}
		if slices.Contains(above, m.ID) { // the directory lets people manage each other
			out.Ended = true
			break
		}
		above, out.Chain = append(above, m.ID), append(out.Chain, personOf(m))
	}
	if len(out.Chain) > 0 {
		out.Manager = &out.Chain[0]
	}
	if at := slices.IndexFunc(out.Chain, func(p person) bool { return p.Enabled }); at >= 0 {
		out.Active = &out.Chain[at]
	}
	return out, nil
}

func notFound(err error) bool {
	e, is := errors.AsType[*connectors.Error](err)
	return is && e.Code == connectors.NotFound
}

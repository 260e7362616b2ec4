package files

import (
	"context"
	"slices"
	"strings"

	"stanch/actions"
	"stanch/connectors/graph"
)

// label reads the label of the organization that a file has, nil for none. A
// label of another organization is none of ours to change; it is answered only
// if there is no other.
func (s Shelf) label(ctx context.Context, drive, item string) (*fileLabel, error) {
	assigned, err := s.Graph.ExtractLabel(ctx, drive, item)
	if err != nil || len(assigned) == 0 {
		return nil, err
	}
	labels, err := s.Graph.Labels(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range assigned {
		if at := rank(labels, a.ID); at >= 0 {
			return &fileLabel{ID: labels[at].ID, Name: labels[at].Name, Method: a.Method}, nil
		}
	}
	return &fileLabel{ID: assigned[0].ID, Method: assigned[0].Method}, nil
}

// rank is the label's place among all, least sensitive first; -1 if it is none
// of them.
func rank(labels []graph.Label, id string) int {
	return slices.IndexFunc(labels, func(l graph.Label) bool { return strings.EqualFold(l.ID, id) })
}

func (s subject) labelTarget() actions.Target {
	return actions.Target{Kind: "label", ID: s.key() + "/label", Name: "sensitivity label of " + s.Name, Entities: s.entity}
}

// lost is what setting the label again cannot give back.
func (l *fileLabel) lost(target string) []actions.Lost {
	if l == nil || l.Method == "" || l.Method == assignedBy {
		return nil
	}
	return []actions.Lost{{Target: target, Field: "label.method", Why: "the label comes back as set by an administrator, no longer as " + l.Method}}
}

// id is the id of a label, "" for none.
func (l *fileLabel) id() string {
	if l == nil {
		return ""
	}
	return strings.ToLower(l.ID)
}

func (l *fileLabel) name() string {
	switch {
	case l == nil:
		return "none"
	case l.Name != "":
		return l.Name
	}
	return l.ID
}

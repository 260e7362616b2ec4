package hunting

import (
	"context"

	"stanch/actions"
	"stanch/connectors/kusto"
)

// Query runs a query of advanced hunting.
func (s Shelf) Query() actions.Action {
	return actions.Spec[bound, found]{
		Doc:   "Run a query of advanced hunting over the last 30 days of Defender XDR, with bound values.",
		Class: actions.Reads, Throttle: "graph.hunting", Permissions: defenderHunts(), Timeout: takes,
		Source: "https://learn.microsoft.com/graph/api/security-security-runhuntingquery",
		Example: "query: |\n" +
			"  CloudAppEvents\n" +
			"  | where AccountId == upn and Timestamp > ago(7d)\n" +
			"  | summarize n = count() by ActionType\n" +
			"let: {upn: \"${{ user.upn }}\"}",
		Read: s.query,
	}.Action()
}

func (s Shelf) query(ctx context.Context, _ actions.Call, p bound) (found, error) {
	return p.run(func(text string, most int) (kusto.Table, error) { return s.Graph.Hunt(ctx, text, p.Timespan, most) })
}

package practice

import "maps"

// Spent answers how many units of each throttling class the calls of all apps
// have used so far, whether limits are set or not: resource units of "sharepoint",
// calls of "sharepoint.sharing", "sharepoint.label", "graph.security", "graph.hunting", "graph.identity",
// "graph.identity_protection", "graph.mail", "azure", "loganalytics" and "activity"; those of
// Defender, which limits each of its APIs alone, as in "defender/GET machines". A
// refused call counts, too; one without a valid token does not.
//
// Sources are those of limiter.
func (t *Tenant) Spent() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.limits.spent)
}

// count adds what a call costs.
func (l *limiter) count(rt *route) {
	switch {
	case rt.api == files || rt.api == sharepoint:
		l.spent["sharepoint"] += int64(rt.cost.units)
		if rt.cost.sharing {
			l.spent["sharepoint.sharing"]++
		}
		if rt.cost.label {
			l.spent["sharepoint.label"]++
		}
	case rt.api == security && rt.pattern == huntingPattern:
		l.spent["graph.hunting"]++
	case rt.api == security:
		l.spent["graph.security"]++
	case identityProtection(rt):
		l.spent["graph.identity_protection"]++
	case rt.api == directory:
		l.spent["graph.identity"]++
	case rt.api == mailbox:
		l.spent["graph.mail"]++
	case rt.api == defender:
		l.spent["defender/"+rt.method+" "+rt.pattern]++
	case rt.api == azure:
		l.spent["azure"]++
	case rt.api == activityFeed:
		l.spent["activity"]++
	case rt.api == logs:
		l.spent["loganalytics"]++
	}
}

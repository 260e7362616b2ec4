package connectors

import "time"

// Allowance is that a tenant's apps may use so many units in any time of a length.
type Allowance struct {
	Units int64
	Per   time.Duration
}

// ClassSharePoint is the throttling class of files, in SharePoint's resource units.
const ClassSharePoint = "sharepoint"

// Allowances are what Microsoft publishes of its APIs, by the throttling class that
// actions name, for the smallest tenants; units are calls where nothing else is
// said.
//
// Sources: learn.microsoft.com/graph/throttling-limits (Graph, identity in
// resource units, advanced hunting, identity protection, Outlook per mailbox),
// learn.microsoft.com/sharepoint/dev/general-development/how-to-avoid-getting-throttled-or-blocked-in-sharepoint-online
// (SharePoint in resource units, and per call that changes who has access),
// learn.microsoft.com/graph/api/driveitem-assignsensitivitylabel,
// learn.microsoft.com/defender-endpoint/api/common-errors and the pages of its
// machine actions (Defender for Endpoint, per call), and
// learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
// (Azure Resource Manager: of a subscription a bucket of 250 reads that gets 25 a
// second, and one of 200 writes that gets 10, to which all POST belong, even those
// that read; calls are held to what the smaller one takes at any time), and
// learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-reference.
func Allowances() map[string][]Allowance {
	const day = 24 * time.Hour
	return map[string][]Allowance{
		"graph.security":            {{150, time.Minute}},
		"graph.identity":            {{3500, 10 * time.Second}},
		"graph.identity_protection": {{1, time.Second}},
		"graph.hunting":             {{45, time.Minute}},
		"graph.mail":                {{10_000, 10 * time.Minute}},
		ClassSharePoint:             {{1250, time.Minute}, {1_200_000, day}},
		"sharepoint.sharing":        {{300, 5 * time.Minute}},
		"sharepoint.label":          {{100, 5 * time.Minute}},
		"defender":                  {{100, time.Minute}, {1500, time.Hour}},
		"azure":                     {{200, 20 * time.Second}},
		"loganalytics":              {{200, 30 * time.Second}},
		"activity":                  {{2000, time.Minute}},
	}
}

package practice

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"stanch/connectors/practice/kql"
)

// hunted is the tables of one query, made of the company when they are named.
// What happened in them follows from the company, its seed and its alerts: the
// same query at the same time always finds the same.
type hunted struct {
	w    *world
	seed uint64
	from time.Time // what was before is not kept
	to   time.Time
	logs bool // as Log Analytics shows the tables: with TimeGenerated in each
	done []Change
	made map[string]*kql.Table
	did  []activity
}

// sheet is how a table is made: its columns as "Name:type", string if no type is
// given, the column of its time, and its rows.
type sheet struct {
	columns string
	rows    func(*hunted) []object
}

// sheets are the tables that there are, with those of the documented columns
// that the company can fill.
//
// [defender-docs defender-xdr/advanced-hunting-schema-tables.md; azure-monitor
// reference/tables/securityalert, securityincident]
func sheets() map[string]sheet {
	return map[string]sheet{
		"CloudAppEvents": {`Timestamp:datetime ActionType Application ApplicationId:int AppInstanceId:int AccountObjectId AccountId AccountDisplayName
			IsAdminOperation:bool DeviceType OSPlatform IPAddress IsAnonymousProxy:bool CountryCode City Isp UserAgent ActivityType ActivityObjects:dynamic
			ObjectName ObjectType ObjectId ReportId AccountType IsExternalUser:bool IsImpersonated:bool IPTags:dynamic IPCategory UserAgentTags:dynamic
			RawEventData:dynamic AdditionalFields:dynamic LastSeenForUser:dynamic UncommonForUser:dynamic AuditSource SessionData:dynamic OAuthAppId`, cloudAppEvents},
		"AlertInfo": {`Timestamp:datetime AlertId Title Category Severity ServiceSource DetectionSource AttackTechniques`, alertInfo},
		"AlertEvidence": {`Timestamp:datetime AlertId Title Categories AttackTechniques ServiceSource DetectionSource EntityType EvidenceRole EvidenceDirection
			FileName FolderPath SHA1 SHA256 FileSize:long ThreatFamily RemoteIP RemoteUrl AccountName AccountDomain AccountSid AccountObjectId AccountUpn
			DeviceId DeviceName LocalIP NetworkMessageId EmailSubject Application ApplicationId:int OAuthApplicationId ProcessCommandLine AdditionalFields Severity`, alertEvidence},
		"DeviceFileEvents": {`Timestamp:datetime DeviceId DeviceName ActionType FileName FolderPath SHA1 SHA256 MD5 FileOriginUrl FileOriginReferrerUrl FileOriginIP
			PreviousFolderPath PreviousFileName FileSize:long InitiatingProcessAccountDomain InitiatingProcessAccountName InitiatingProcessAccountSid
			InitiatingProcessAccountUpn InitiatingProcessAccountObjectId InitiatingProcessFileName InitiatingProcessId:long InitiatingProcessCommandLine
			RequestProtocol RequestAccountName SensitivityLabel SensitivitySubLabel IsAzureInfoProtectionApplied:bool ReportId:long AppGuardContainerId AdditionalFields`, deviceFileEvents},
		"DeviceProcessEvents": {`Timestamp:datetime DeviceId DeviceName ActionType FileName FolderPath SHA1 SHA256 MD5 FileSize:long ProcessId:long ProcessCommandLine
			ProcessCreationTime:datetime AccountDomain AccountName AccountSid AccountUpn AccountObjectId InitiatingProcessAccountName InitiatingProcessFileName
			InitiatingProcessId:long InitiatingProcessCommandLine ReportId:long AdditionalFields`, deviceProcessEvents},
		"DeviceInfo": {`Timestamp:datetime DeviceId DeviceName ClientVersion PublicIP OSArchitecture OSPlatform OSBuild:long OSVersion IsAzureADJoined:bool
			JoinType AadDeviceId LoggedOnUsers MachineGroup ReportId:long OnboardingStatus DeviceType SensorHealthState ExposureLevel DeviceManualTags`, deviceInfo},
		"EmailEvents": {`Timestamp:datetime NetworkMessageId InternetMessageId SenderMailFromAddress SenderFromAddress SenderDisplayName SenderObjectId
			SenderMailFromDomain SenderFromDomain SenderIPv4 RecipientEmailAddress RecipientObjectId Subject EmailDirection DeliveryAction DeliveryLocation
			ThreatTypes AttachmentCount:int UrlCount:int EmailLanguage ReportId`, emailEvents},
		"IdentityInfo": {`Timestamp:datetime ReportId AccountObjectId AccountUpn OnPremSid AccountDisplayName AccountName AccountDomain Type DistinguishedName
			CloudSid GivenName Surname Department JobTitle EmailAddress SipProxyAddress Address City Country IsAccountEnabled:bool Manager Phone CreatedDateTime:datetime SourceProvider`, identityInfo},
		"SecurityAlert": {`TenantId TimeGenerated:datetime DisplayName AlertName AlertSeverity Description ProviderName VendorName VendorOriginalId SystemAlertId
			ResourceId SourceComputerId AlertType ConfidenceLevel ConfidenceScore:real IsIncident:bool StartTime:datetime EndTime:datetime
			ProcessingEndTime:datetime RemediationSteps ExtendedProperties Entities SourceSystem WorkspaceSubscriptionId WorkspaceResourceGroup
			ExtendedLinks ProductName ProductComponentName AlertLink Status CompromisedEntity Tactics Techniques Type`, securityAlerts},
		"SecurityIncident": {`TenantId TimeGenerated:datetime IncidentName Title Description Severity Status Classification ClassificationComment
			ClassificationReason Owner:dynamic ProviderName ProviderIncidentId FirstActivityTime:datetime LastActivityTime:datetime
			FirstModifiedTime:datetime LastModifiedTime:datetime CreatedTime:datetime ClosedTime:datetime IncidentNumber:int RelatedAnalyticRuleIds:dynamic
			AlertIds:dynamic BookmarkIds:dynamic Comments:dynamic Labels:dynamic IncidentUrl AdditionalData:dynamic ModifiedBy SourceSystem Type`, securityIncidents},
	}
}

// parse reads the columns of a sheet.
func (s sheet) parse() []kql.Column {
	var out []kql.Column
	for word := range strings.FieldsSeq(s.columns) {
		name, typ, typed := strings.Cut(word, ":")
		if !typed {
			typ = "string"
		}
		out = append(out, kql.Column{Name: name, Type: kql.Type(typ)})
	}
	return out
}

// table answers a table by its name, newest row first.
func (h *hunted) table(name string) (*kql.Table, bool) {
	if t := h.made[name]; t != nil {
		return t, true
	}
	s, is := sheets()[name]
	if !is {
		return nil, false
	}
	t := &kql.Table{Columns: s.parse()}
	clock := "Timestamp"
	if t.Columns[0].Name == "TenantId" {
		clock = "TimeGenerated"
	}
	rows := slices.DeleteFunc(s.rows(h), func(o object) bool {
		at, is := o[clock].(time.Time)
		return !is || at.Before(h.from) || at.After(h.to)
	})
	slices.SortStableFunc(rows, func(a, b object) int { return b[clock].(time.Time).Compare(a[clock].(time.Time)) })
	if h.logs && clock == "Timestamp" {
		t.Columns = append([]kql.Column{{Name: "TenantId", Type: kql.String}, {Name: "TimeGenerated", Type: kql.DateTime}}, t.Columns...)
		t.Columns = append(t.Columns, kql.Column{Name: "Type", Type: kql.String})
	}
	for _, o := range rows {
		o["TenantId"], o["Type"], o["TimeGenerated"] = LogWorkspaceID(h.w.company.TenantID), name, o[clock]
		row := make([]any, len(t.Columns))
		for i, c := range t.Columns {
			row[i] = cell(c.Type, o[c.Name])
		}
		t.Rows = append(t.Rows, row)
	}
	if h.made == nil {
		h.made = map[string]*kql.Table{}
	}
	h.made[name] = t
	return t, true
}

// cell makes a value one that the engine knows.
func cell(t kql.Type, v any) any {
	switch v := v.(type) {
	case nil:
		if t == kql.String {
			return ""
		}
	case int:
		return int64(v)
	case object:
		out := make(object, len(v))
		for k, in := range v {
			out[k] = cell(kql.Dynamic, in)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = cell(kql.Dynamic, v[i])
		}
		return out
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	case []object:
		out := make([]any, len(v))
		for i := range v {
			out[i] = cell(kql.Dynamic, v[i])
		}
		return out
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case time.Time:
		if t == kql.Dynamic {
			return stamp(v)
		}
	}
	return v
}

// jsonText is JSON in a text, as several columns hold it.
func jsonText(v any) string { return string(kql.JSON(cell(kql.Dynamic, v))) }

// LogWorkspaceID is the id of the Log Analytics workspace of a tenant.
func LogWorkspaceID(tenant string) string { return guid(tenant, "log analytics workspace") }

// alertsInOrder are all alerts, by their ids.
func (h *hunted) alertsInOrder() []*alert {
	var out []*alert
	for _, id := range slices.Sorted(maps.Keys(h.w.alerts)) {
		out = append(out, h.w.alerts[id])
	}
	return out
}

// at reads a time of a body; the zero time where there is none.
func at(body object, names ...string) time.Time {
	for _, n := range names {
		if t, err := time.Parse(time.RFC3339, textOf(body[n])); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

func (a *alert) created() time.Time { return at(a.body, "createdDateTime") }

// span is from the first to the last activity of the alert.
func (a *alert) span() (from, to time.Time) {
	from = at(a.body, "firstActivityDateTime", "createdDateTime")
	to = at(a.body, "lastActivityDateTime", "firstActivityDateTime", "createdDateTime")
	if to.Before(from) {
		to = from
	}
	return from, to
}

// systemID is the alert's id in Sentinel.
func (a *alert) systemID(tenant string) string {
	id := strings.ToLower(textOf(a.body["providerAlertId"]))
	if len(id) == 36 && strings.Count(id, "-") == 4 {
		return id
	}
	return guid(tenant, "sentinel alert", a.id())
}

// dlp reports whether the alert is one of data loss prevention.
func (a *alert) dlp() bool {
	return strings.EqualFold(textOf(a.body["serviceSource"]), "dataLossPrevention") || strings.HasPrefix(textOf(a.body["title"]), "DLP policy (")
}

// policy is the name that stands in the title of a DLP alert.
func (a *alert) policy() string {
	title := textOf(a.body["title"])
	rest, is := strings.CutPrefix(title, "DLP policy (")
	end := strings.LastIndex(rest, ") matched for ")
	if !is || end < 0 {
		return title
	}
	return rest[:end]
}

// kind is the AlertType of SecurityAlert: of a DLP alert the id of its policy,
// under which the audit log keeps what it saw (cid).
func (a *alert) kind(tenant string) string {
	if a.dlp() {
		return guid(tenant, "dlp policy", a.policy())
	}
	return textOf(a.body["detectorId"])
}

func (a *alert) evidence() []object {
	list, _ := a.body["evidence"].([]any)
	var out []object
	for _, e := range list {
		if o, is := e.(object); is {
			out = append(out, o)
		}
	}
	return out
}

// evidenceOf are the items of one type, such as fileEvidence.
func (a *alert) evidenceOf(kind string) []object {
	return slices.DeleteFunc(a.evidence(), func(o object) bool { return evidenceKind(o) != kind })
}

func evidenceKind(o object) string {
	return strings.TrimPrefix(textOf(o["@odata.type"]), "#microsoft.graph.security.")
}

// inner is an object in an object, never nil.
func inner(o object, name string) object {
	in, _ := o[name].(object)
	if in == nil {
		return object{}
	}
	return in
}

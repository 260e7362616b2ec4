package incident

import "strings"

// The enums are those of the microsoft.graph.security namespace, v1.0, with
// "unknown" added where a value may be missing. A value that is not listed is
// kept as it came: Microsoft adds members without notice.

// enum is a named text with known values.
type enum interface {
	~string
	Values() []string
}

// parseEnum returns the known value that s spells in any case, else s itself.
func parseEnum[E enum](s string) E {
	for _, v := range E("").Values() {
		if strings.EqualFold(v, s) {
			return E(v)
		}
	}
	return E(s)
}

// Severity is the impact of an incident or alert.
type Severity string

// Values lists the known severities, the least first.
func (Severity) Values() []string {
	return []string{"unknown", "informational", "low", "medium", "high", "unknownFutureValue"}
}

// Status says where the work on an incident stands.
type Status string

// Values lists the known statuses of an incident.
func (Status) Values() []string {
	return []string{"unknown", "active", "inProgress", "awaitingAction", "resolved", "redirected", "unknownFutureValue"}
}

// AlertStatus says where the work on an alert stands.
type AlertStatus string

// Values lists the known statuses of an alert.
func (AlertStatus) Values() []string {
	return []string{"unknown", "new", "inProgress", "resolved", "unknownFutureValue"}
}

// Classification is an analyst's verdict.
type Classification string

// Values lists the known classifications.
func (Classification) Values() []string {
	return []string{
		"unknown", "falsePositive", "truePositive", "informationalExpectedActivity", "unknownFutureValue",
	}
}

// Determination is the reason of a classification.
type Determination string

// Values lists the known determinations: those of the API, not the four other
// spellings (compromisedUser, clean, insufficientData, confirmedUserActivity)
// that its documentation prints.
func (Determination) Values() []string {
	return []string{
		"unknown", "apt", "malware", "securityPersonnel", "securityTesting", "unwantedSoftware", "other",
		"multiStagedAttack", "compromisedAccount", "phishing", "maliciousUserActivity", "notMalicious",
		"notEnoughDataToValidate", "confirmedActivity", "lineOfBusinessApplication", "unknownFutureValue",
	}
}

// ServiceSource is the product that raised an alert.
type ServiceSource string

// DataLossPrevention is the service source of DLP alerts.
const DataLossPrevention ServiceSource = "dataLossPrevention"

// Values lists the known service sources.
func (ServiceSource) Values() []string {
	return []string{
		"unknown", "microsoftDefenderForEndpoint", "microsoftDefenderForIdentity", "microsoftDefenderForCloudApps",
		"microsoftDefenderForOffice365", "microsoft365Defender", "azureAdIdentityProtection",
		"microsoftAppGovernance", string(DataLossPrevention), "unknownFutureValue", "microsoftDefenderForCloud",
		"microsoftSentinel", "microsoftInsiderRiskManagement", "microsoftThreatIntelligence",
		"microsoftSecurityForAI",
	}
}

// DetectionSource is the technology that detected an alert.
type DetectionSource string

// Values lists the known detection sources.
func (DetectionSource) Values() []string {
	return []string{
		"unknown", "microsoftDefenderForEndpoint", "antivirus", "smartScreen", "customTi",
		"microsoftDefenderForOffice365", "automatedInvestigation", "microsoftThreatExperts", "customDetection",
		"microsoftDefenderForIdentity", "cloudAppSecurity", "microsoft365Defender", "azureAdIdentityProtection",
		"manual", "microsoftDataLossPrevention", "appGovernancePolicy", "appGovernanceDetection",
		"unknownFutureValue", "microsoftDefenderForCloud", "microsoftDefenderForIoT",
		"microsoftDefenderForServers", "microsoftDefenderForStorage", "microsoftDefenderForDNS",
		"microsoftDefenderForDatabases", "microsoftDefenderForContainers", "microsoftDefenderForNetwork",
		"microsoftDefenderForAppService", "microsoftDefenderForKeyVault", "microsoftDefenderForResourceManager",
		"microsoftDefenderForApiManagement", "nrtAlerts", "scheduledAlerts",
		"microsoftDefenderThreatIntelligenceAnalytics", "builtInMl", "microsoftInsiderRiskManagement",
		"microsoftThreatIntelligence", "microsoftDefenderForAIServices", "securityCopilot", "microsoftSentinel",
	}
}

// Verdict is what automated investigation found about an item.
type Verdict string

// Values lists the known verdicts, the worst first.
func (Verdict) Values() []string {
	return []string{"malicious", "suspicious", "noThreatsFound", "unknown", "unknownFutureValue"}
}

// weight orders verdicts, the worst highest. One that is not known weighs more
// than a clean one: it may be worse.
func (v Verdict) weight() int {
	switch v {
	case "malicious":
		return 5
	case "suspicious":
		return 4
	case "noThreatsFound":
		return 2
	case "unknown":
		return 1
	case "unknownFutureValue":
		return 0
	}
	return 3
}

// Role is the part that an item played in an alert.
type Role string

// Values lists the known roles.
func (Role) Values() []string {
	return []string{
		"unknown", "contextual", "scanned", "source", "destination", "created", "added", "compromised", "edited",
		"attacked", "attacker", "commandAndControl", "loaded", "suspicious", "policyViolator", "unknownFutureValue",
	}
}

// DeviceHealth is the health of a device's sensor.
type DeviceHealth string

// Values lists the known health states.
func (DeviceHealth) Values() []string {
	return []string{
		"active", "inactive", "impairedCommunication", "noSensorData", "noSensorDataImpairedCommunication",
		"unknown", "unknownFutureValue",
	}
}

// DeviceHealthOf reads a state in any case, as the model writes it.
func DeviceHealthOf(s string) DeviceHealth { return parseEnum[DeviceHealth](s) }

// DeviceRisk is the risk of a device as Defender rates it.
type DeviceRisk string

// Values lists the known risks, the least first.
func (DeviceRisk) Values() []string {
	return []string{"none", "informational", "low", "medium", "high", "unknownFutureValue"}
}

// DeviceRiskOf reads a risk in any case, as the model writes it.
func DeviceRiskOf(s string) DeviceRisk { return parseEnum[DeviceRisk](s) }

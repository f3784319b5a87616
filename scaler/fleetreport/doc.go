// Package fleetreport reads the objects of a fleet for a report, page by page, and writes such reports as FleetReports by a schedule.
//
// It owns FleetReports: it writes them and deletes the old ones. It never changes anything else.
package fleetreport

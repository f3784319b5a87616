package programs

import "github.com/metapilot/metapilot/scaler/source/exposition"

// Families of a kube-apiserver (k8s.io/apiserver: pkg/endpoints/metrics, pkg/util/flowcontrol/metrics, pkg/admission/metrics,
// pkg/storage/etcd3/metrics).
const (
	started     = "process_start_time_seconds"
	requests    = "apiserver_request_total"
	seats       = "apiserver_flowcontrol_nominal_limit_seats"
	executing   = "apiserver_flowcontrol_current_executing_seats"
	queued      = "apiserver_flowcontrol_current_inqueue_requests"
	turnedAway  = "apiserver_flowcontrol_rejected_requests_total"
	dispatched  = "apiserver_flowcontrol_dispatched_requests_total"
	work        = "apiserver_flowcontrol_work_estimated_seats_sum"
	webhooks    = "apiserver_admission_webhook_admission_duration_seconds"
	refusals    = "apiserver_admission_webhook_rejection_count"
	ignored     = "apiserver_admission_webhook_fail_open_count"
	storage     = "etcd_request_duration_seconds"
	objects     = "apiserver_resource_objects" // since 1.34
	objectsOnce = "apiserver_storage_objects"  // before
)

var apiServer = exposition.Want(append(append([]exposition.Family{
	{Name: started, Kind: exposition.Birth},
	{Name: requests, Kind: exposition.Counter, By: []string{"code"}, Skip: watches},
	{Name: seats, By: []string{"priority_level"}},
	{Name: executing, By: []string{"priority_level"}},
	{Name: queued, By: []string{"priority_level"}},
	{Name: turnedAway, Kind: exposition.Counter, By: []string{"priority_level", "flow_schema", "reason"}},
	{Name: dispatched, Kind: exposition.Counter, By: []string{"priority_level", "flow_schema"}},
	{Name: work, Kind: exposition.Counter, By: []string{"priority_level", "flow_schema"}},
	{Name: refusals, Kind: exposition.Counter, By: []string{"name"}},
	{Name: ignored, Kind: exposition.Counter, By: []string{"name"}},
	{Name: objects, By: []string{"resource", "group"}},
	{Name: objectsOnce, By: []string{"resource"}},
}, exposition.Histogram(webhooks, "name")...), exposition.Histogram(storage)...)...)

// watches are answered when they end, which says nothing about how much is asked.
func watches(label func(string) string) bool { return label("verb") == "WATCH" }

// Families of an etcd member (go.etcd.io/etcd/server/v3: storage/wal, storage/backend, storage/mvcc, etcdserver).
const (
	fsync           = "etcd_disk_wal_fsync_duration_seconds"
	commit          = "etcd_disk_backend_commit_duration_seconds"
	size            = "etcd_mvcc_db_total_size_in_bytes"
	used            = "etcd_mvcc_db_total_size_in_use_in_bytes"
	quota           = "etcd_server_quota_backend_bytes"
	leaderChanges   = "etcd_server_leader_changes_seen_total"
	proposalsFailed = "etcd_server_proposals_failed_total"
)

var etcd = exposition.Want(append(append([]exposition.Family{
	{Name: started, Kind: exposition.Birth},
	{Name: size}, {Name: used}, {Name: quota},
	{Name: leaderChanges, Kind: exposition.Counter},
	{Name: proposalsFailed, Kind: exposition.Counter},
}, exposition.Histogram(fsync)...), exposition.Histogram(commit)...)...)

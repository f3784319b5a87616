package basic

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/metapilot/metapilot/e2e/metacluster/part"
	"github.com/metapilot/metapilot/e2e/scenario"
)

// Nobody is anonymous: neither the API nor a kubelet answers without a certificate.
func TestNoAnonymousAnswers(t *testing.T) {
	s := scenario.NewOwn(t)
	stranger := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // whom we ask is not in question here
	}}
	for name, url := range map[string]string{
		"API":           part.APIServer() + "/api/v1/namespaces",
		"kubelet pods":  fmt.Sprintf("https://%s:10250/pods", s.Cluster.Nodes[0].Address),
		"kubelet stats": fmt.Sprintf("https://%s:10250/stats/summary", s.Cluster.Nodes[0].Address),
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := stranger.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s answered %s to a stranger, want 401", url, answer.Status)
			}
		})
	}
}

// A kubelet may see the Secrets of its own pods and write to its own Node, and no more: the Node authorizer and NodeRestriction.
func TestKubeletReachesOnlyItsOwn(t *testing.T) {
	s := scenario.NewOwn(t)
	s.Apply("apiVersion: v1\nkind: Secret\nmetadata: {name: foreign}\nstringData: {key: value}\n")
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(s.Cluster.State, "kubeconfig", "node-1-kubelet.kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	kubelet, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kubelet.CoreV1().Secrets(s.Namespace).Get(t.Context(), "foreign", metav1.GetOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("node-1 read a Secret that no pod of its own uses: %v", err)
	}
	label := []byte(`{"metadata":{"labels":{"from":"node-1"}}}`)
	if _, err := kubelet.CoreV1().Nodes().Patch(t.Context(), "node-2", types.MergePatchType, label, metav1.PatchOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("node-1 wrote to node-2: %v", err)
	}
	if _, err := kubelet.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{}); err != nil {
		t.Errorf("node-1 cannot read its own Node: %v", err)
	}
}

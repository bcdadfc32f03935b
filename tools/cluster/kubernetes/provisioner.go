package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v11/controller"
)

const provisionerName = "embedded/hostpath"

// selectedNode is the scheduler's annotation of a claim that waits for its first pod: where that pod will run.
const selectedNode = "volume.kubernetes.io/selected-node"

// hostPath makes each claim a directory of its own under root, on its own node: what minikube's provisioner does for its
// own "standard". Each node runs one.
type hostPath struct{ root, node string }

// ShouldProvision leaves a claim to the node that was selected for it. Without one, the class binds at once, and there is
// one node only.
func (h hostPath) ShouldProvision(_ context.Context, claim *v1.PersistentVolumeClaim) bool {
	selected := claim.Annotations[selectedNode]
	return selected == "" || selected == h.node
}

// ShouldDelete leaves a volume to its own node. One without affinity is from the time when there was one node.
func (h hostPath) ShouldDelete(_ context.Context, volume *v1.PersistentVolume) bool {
	if volume.Spec.NodeAffinity == nil {
		return true
	}
	for _, term := range volume.Spec.NodeAffinity.Required.NodeSelectorTerms {
		for _, wanted := range term.MatchExpressions {
			if wanted.Key == v1.LabelHostname && slices.Contains(wanted.Values, h.node) {
				return true
			}
		}
	}
	return false
}

func (h hostPath) Provision(_ context.Context, o controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	path := filepath.Join(h.root, o.PVName)
	// A hostPath volume ignores the pod's fsGroup, so the directory itself must let a non-root pod in; its parent is root's alone.
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	directory := v1.HostPathDirectoryOrCreate
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: o.PVC.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeSource:        v1.PersistentVolumeSource{HostPath: &v1.HostPathVolumeSource{Path: path, Type: &directory}},
			NodeAffinity:                  h.affinity(),
		},
	}, controller.ProvisioningFinished, nil
}

// affinity binds a volume's pods to the node that has its directory.
func (h hostPath) affinity() *v1.VolumeNodeAffinity {
	here := v1.NodeSelectorRequirement{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{h.node}}
	term := v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{here}}
	return &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{term}}}
}

func (h hostPath) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	return os.RemoveAll(filepath.Join(h.root, volume.Name))
}

func provision() int {
	flags := flag.NewFlagSet("provisioner", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the API server")
	root := flags.String("root", "", "the directory that holds the volumes")
	node := flags.String("node", "", "the name of the node that has this directory")
	_ = flags.Parse(os.Args[1:])

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.ErrorS(err, "the provisioner cannot read its kubeconfig", "path", *kubeconfig)
		return 1
	}
	ctx := genericapiserver.SetupSignalContext()
	controller.NewProvisionController(ctx, kubernetes.NewForConfigOrDie(config), provisionerName,
		hostPath{*root, *node}, controller.LeaderElection(false)).Run(ctx)
	return 0
}

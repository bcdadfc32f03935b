"""The Go programs that judge the project: kube-score its manifests, govulncheck its Go modules."""

from pathlib import Path

from tools.cluster.binary import GoBuild

JUDGES = GoBuild(
    "kube-score and govulncheck", "v1.20.0 and v1.9.0", Path(__file__).parent / "judges",
    {
        "govulncheck": "golang.org/x/vuln/cmd/govulncheck",
        "kube-score": "github.com/zegl/kube-score/cmd/kube-score",
    },
)  # fmt: skip

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The files of C{contrib/kubernetes}: they are valid, and what they say to run works.

A daemon runs as the container of the pod: with its arguments, its environment and its
configuration, and with other ports and directories.  The probes and C{preStop} run
beside it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from typing import Any

import kubernetes_validate
import yaml
from dockerfile_parse import DockerfileParser
from prometheus_client.parser import text_string_to_metric_families

from tests.deployment.test_contrib import ContribTestCase
from tests.support.daemon import DEADLINE, Daemon, environment, freePort, talk
from tests.support.serving import inetd
from tests.support.users import ordinaryUser

#: Of those that kubernetes-validate knows.
_VERSION = "1.37.0"
#: The files with a resource; the other one is for Helm.
_FILES = ("autoscaler", "configmap", "deployment", "service")
#: The probes of the container.
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


class KubernetesTestCase(ContribTestCase):
    """A test of the files."""

    def load(self, name: str) -> Any:
        """Return what is in a file."""
        return yaml.safe_load(self.text("kubernetes", f"{name}.yaml"))

    def setUp(self) -> None:
        """Read the files."""
        super().setUp()
        self.resources = {name: self.load(name) for name in _FILES}
        self.spec = self.resources["deployment"]["spec"]["template"]["spec"]
        (self.container,) = self.spec["containers"]


class FilesTests(KubernetesTestCase):
    """The files are valid, and fit each other."""

    def test_valid(self) -> None:
        """Each resource has only fields of Kubernetes, with values of their types."""
        for name in _FILES:
            kubernetes_validate.validate(self.resources[name], _VERSION, strict=True)

    def test_invalid(self) -> None:
        """A misspelt field is found."""
        self.container["livenessprobe"] = self.container.pop("livenessProbe")
        wrong = kubernetes_validate.ValidationError
        with self.assertRaises(wrong):
            kubernetes_validate.validate(
                self.resources["deployment"], _VERSION, strict=True
            )

    def test_everyFile(self) -> None:
        """Every file is one of those that are tested, and the README names it."""
        names = set(os.listdir(self.source("kubernetes")))
        ours = {f"{name}.yaml" for name in (*_FILES, "prometheus-adapter")}
        self.assertEqual(names, ours | {"README.rst"})
        readme = self.text("kubernetes", "README.rst")
        for name in ours:
            self.assertIn(f"``{name}``", readme)

    def test_selectors(self) -> None:
        """The Service and the autoscaler find the pods."""
        deployment = self.resources["deployment"]
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        self.assertEqual(deployment["spec"]["selector"]["matchLabels"], labels)
        self.assertEqual(self.resources["service"]["spec"]["selector"], labels)
        target = self.resources["autoscaler"]["spec"]["scaleTargetRef"]
        self.assertEqual(target["kind"], deployment["kind"])
        self.assertEqual(target["name"], deployment["metadata"]["name"])
        self.assertNotIn("replicas", deployment["spec"])

    def test_ports(self) -> None:
        """The Service leads to the ports of the pod, which are those of the daemon."""
        ports = {each["name"]: each for each in self.container["ports"]}
        for port in self.resources["service"]["spec"]["ports"]:
            self.assertEqual(
                port["protocol"], ports.pop(port["targetPort"])["protocol"]
            )
        metrics = ports.pop("metrics")["containerPort"]
        self.assertEqual(ports, {})
        metadata = self.resources["deployment"]["spec"]["template"]["metadata"]
        scraped = metadata["annotations"]["prometheus.io/port"]
        self.assertEqual(int(scraped), metrics)
        options = self.taken(*self.container["args"])
        self.assertEqual(options["metrics"], f"tcp:{metrics}")

    def test_volumes(self) -> None:
        """The configuration is mounted where it is read, the rest can be written."""
        mounts = {each["name"]: each for each in self.container["volumeMounts"]}
        volumes = {each["name"]: each for each in self.spec["volumes"]}
        self.assertEqual(set(mounts), set(volumes))
        (conf,) = self.taken(*self.container["args"])["conf"]
        self.assertEqual(os.path.dirname(conf), mounts["conf"]["mountPath"])
        self.assertIn(os.path.basename(conf), self.resources["configmap"]["data"])
        name = self.resources["configmap"]["metadata"]["name"]
        self.assertEqual(volumes["conf"]["configMap"]["name"], name)
        self.assertEqual(volumes["conf"]["configMap"]["defaultMode"], 0o555)
        (control,) = (each["value"] for each in self.container["env"])
        self.assertEqual(os.path.dirname(control), mounts["run"]["mountPath"])
        self.assertIn("emptyDir", volumes["run"])

    def test_confined(self) -> None:
        """The pod has no rights of root, and its file system is read-only."""
        self.assertTrue(self.spec["securityContext"]["runAsNonRoot"])
        for container in (self.container, *self.spec["initContainers"]):
            context = container["securityContext"]
            self.assertTrue(context["readOnlyRootFilesystem"])
            self.assertFalse(context["allowPrivilegeEscalation"])
            self.assertEqual(context["capabilities"], {"drop": ["ALL"]})

    def test_time(self) -> None:
        """A pod is given longer than C{preStop} takes."""
        command = self.container["lifecycle"]["preStop"]["exec"]["command"][-1]
        seconds = sum(map(int, re.findall(r"\b\d+\b", command)))
        self.assertGreater(self.spec["terminationGracePeriodSeconds"], seconds)

    def test_target(self) -> None:
        """The autoscaler acts before each pod is at its limit."""
        (metric,) = self.resources["autoscaler"]["spec"]["metrics"]
        conf = self.resources["configmap"]["data"]["inetd.conf"]
        (most,) = re.findall(r" nowait/(\d+) ", conf)
        wanted = int(metric["pods"]["target"]["averageValue"])
        self.assertLess(wanted, int(most))

    def test_adapter(self) -> None:
        """The rule makes the metric that the autoscaler asks for."""
        (rule,) = self.load("prometheus-adapter")["rules"]["custom"]
        (metric,) = self.resources["autoscaler"]["spec"]["metrics"]
        name = metric["pods"]["metric"]["name"]
        self.assertEqual(rule["name"]["as"], name)
        self.assertTrue(re.fullmatch(rule["name"]["matches"], name))
        self.assertTrue(rule["seriesQuery"].startswith(f"{name}{{"))


class PodTests(KubernetesTestCase):
    """A daemon that runs as the container does."""

    def setUp(self) -> None:
        """Write the volumes, with free ports."""
        super().setUp()
        self.command()
        # preStop waits for the nodes of the cluster; these are none.
        self.write("sleep", "#!/bin/sh\n", 0o755)
        self.user = ordinaryUser()
        self.places = {"/etc/inetd": self.path("conf"), "/run/inetd": self.path("run")}
        for place in self.places.values():
            os.mkdir(place)
        os.chmod(self.places["/run/inetd"], 0o777)
        self.port, self.metrics = freePort(), freePort()
        data = self.resources["configmap"]["data"]
        for name, text in data.items():
            text = re.sub(r"^21000 ", f"{self.port} ", text, flags=re.MULTILINE)
            self.write(os.path.join("conf", name), text, 0o555)
        self.env = environment(
            self.user,
            **{
                each["name"]: self.here(each["value"]) for each in self.container["env"]
            },
        )
        self.env["PATH"] = f"{self.directory}:{self.env['PATH']}"

    def here(self, text: str) -> str:
        """Return an argument or a path, with the directories and ports of this test."""
        for path, place in self.places.items():
            text = text.replace(path, place)
        return text.replace("tcp:9100", f"tcp:{self.metrics}:interface=127.0.0.1")

    def argv(self, container: Any) -> list[str]:
        """Return the command line of a container."""
        path = self.source("container", "Containerfile")
        with open(path, "rb") as file:
            parser = DockerfileParser(fileobj=file, env_replace=False)
            steps = {each["instruction"]: each["value"] for each in parser.structure}
        command, *first = json.loads(steps["ENTRYPOINT"])
        self.assertEqual(command, "inetd")
        return inetd(*first, *map(self.here, container["args"]))

    def execute(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the container to its end."""
        return subprocess.run(
            argv,
            env=self.env,
            user=self._uid(),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def probe(self, name: str) -> int:
        """Return the exit status of a probe."""
        return self.execute(self.container[name]["exec"]["command"]).returncode

    def test_check(self) -> None:
        """The init container passes the configuration, and stops at an error."""
        (check,) = self.spec["initContainers"]
        done = self.execute(self.argv(check))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.write(os.path.join("conf", "inetd.conf"), "21000 steam\n")
        done = self.execute(self.argv(check))
        self.assertEqual(done.returncode, 1)

    def served(self) -> Daemon:
        """Run the container."""
        return Daemon(
            self.argv(self.container),
            ports=[self.port, self.metrics],
            env=self.env,
            user=self.user,
        )

    def test_scraped(self) -> None:
        """The metrics that Prometheus reads have the one for the autoscaler."""
        (metric,) = self.resources["autoscaler"]["spec"]["metrics"]
        with self.served(), self.connect(self.port) as client:
            client.sendall(b"HERE\n")
            self.assertEqual(client.recv(100), b"here\n")
            answer = talk(self.metrics, b"GET /metrics HTTP/1.0\r\n\r\n").decode()
            text = answer.partition("\r\n\r\n")[2]
            found = {each.name: each for each in text_string_to_metric_families(text)}
            (sample,) = found[metric["pods"]["metric"]["name"]].samples
            self.assertEqual((sample.labels, sample.value), ({}, 1))

    def test_stop(self) -> None:
        """The pod is ready, then drains: it serves its client, and exits with 0."""
        with self.served() as daemon, self.connect(self.port) as client:
            self.assertEqual([self.probe(name) for name in _PROBES], [0, 0, 0])
            client.sendall(b"HERE\n")
            self.assertEqual(client.recv(100), b"here\n")
            command = self.container["lifecycle"]["preStop"]["exec"]["command"]
            quiet = subprocess.DEVNULL
            stopping = subprocess.Popen(
                command, env=self.env, user=self._uid(), stdout=quiet
            )
            daemon.waitForLog("drain ")
            self.assertEqual([self.probe(name) for name in _PROBES], [0, 1, 0])
            self.assertRaises(ConnectionRefusedError, self.connect, self.port)
            client.sendall(b"STILL\n")
            self.assertEqual(client.recv(100), b"still\n")
            client.close()
            self.assertEqual(stopping.wait(DEADLINE), 0)
            self.assertEqual(daemon.process.wait(DEADLINE), 0)

    def test_killed(self) -> None:
        """The liveness probe fails once the daemon does not answer."""
        with self.served() as daemon:
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.wait(DEADLINE)
            self.assertNotEqual(self.probe("livenessProbe"), 0)

    def _uid(self) -> int | None:
        """Return the user of the pod, if it is not the one of the tests."""
        return self.user and self.user.pw_uid

"""A stand-in for the Kubernetes API and its deployment controller: what rollouts of Deployments are made of, Secrets,
and Roles.

It answers as the real one does where it matters to a client that rolls back (kubernetes.io, "Deployments", and the API
conventions), and it is not the real one: no pods, no admission, no watch.

1. Every write gives a new resourceVersion, a status too; one that names an old resourceVersion is refused with 409.
2. A changed spec raises `metadata.generation`; the controller says in `status.observedGeneration` what it has seen.
3. A template that no ReplicaSet has makes a new one; one that an old ReplicaSet has takes that one again. Both give it
   the next `deployment.kubernetes.io/revision`; its hash is the label `pod-template-hash`.
4. It rolls: one replica more of the new, then one less of the old. An image in `never_ready` does not become available,
   and after progressDeadlineSeconds the condition Progressing is False, ProgressDeadlineExceeded.
5. Old ReplicaSets beyond revisionHistoryLimit go.
6. Secrets: names and keys are validated; a create over one that is there, an old resourceVersion, a changed uid and a
   failed precondition are 409; an immutable one stays as it is (422); a PUT without a resourceVersion overwrites, as
   the real one's does. A pod whose secret, or key of it, is not there does not become available.
7. Roles: a token may do what its rules say, in its namespace, and is else answered 403.
8. Who does not send a token is answered 401. `/health/<namespace>/<name>` is the service behind it: 500 while an
   image in `sick` has a replica.
"""

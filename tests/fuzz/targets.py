"""All fuzz targets by name."""

from fuzz import descriptions, documents, lock_files, projects, python_sources, small_inputs, state_files
from fuzz.harness import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        descriptions.READING,
        descriptions.JUDGING,
        descriptions.EDITING,
        documents.TARGET,
        projects.DOCKERFILE,
        projects.REQUIREMENTS,
        projects.ADOPTION,
        lock_files.TARGET,
        python_sources.TARGET,
        small_inputs.SETTINGS,
        small_inputs.BUMP_TARGET,
        small_inputs.INDEX_PAGE,
        state_files.LOG,
        state_files.STATE,
        state_files.FREEZE,
    )
}

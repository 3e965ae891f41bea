# Targets: edge (edge and sender, no torch), worker (with torch), pacs (an Orthanc to test with).

FROM python:3.12.12-slim-bookworm AS base
# The user whose volume is shared by edge, worker and sender.
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/dicom-node dicom-node \
    && install --directory --owner=dicom-node --group=dicom-node /var/lib/dicom-node
ENV PATH=/opt/dicom-node/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1
WORKDIR /var/lib/dicom-node

FROM base AS build-edge
WORKDIR /src
RUN python -m venv /opt/dicom-node
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY config config
COPY dicom_node dicom_node
COPY models models
COPY workers workers
RUN pip install --constraint constraints.txt '.[postgresql]'

FROM build-edge AS build-worker
ARG TORCH_INDEX=
RUN if [ -n "$TORCH_INDEX" ]; then \
      pip install --no-deps --index-url "$TORCH_INDEX" torch==2.13.0; \
    fi \
    && pip install --constraint constraints.txt '.[worker]'

FROM orthancteam/orthanc:25.12.3 AS pacs
USER root
RUN install --directory --owner=orthanc --group=orthanc /var/lib/orthanc/db
USER orthanc

FROM base AS edge
COPY --from=build-edge /opt/dicom-node /opt/dicom-node
USER dicom-node
ENTRYPOINT ["dicom-node"]

FROM base AS worker
COPY --from=build-worker /opt/dicom-node /opt/dicom-node
USER dicom-node
ENTRYPOINT ["dicom-node"]

-- Every study that has not changed for StableAge seconds goes to the node. That includes studies to
-- which the node has just added its results: it knows its own objects and does not read them again.
-- (SendToModality would be shorter, but sends single instances only.)
function OnStableStudy(study, tags, metadata)
  RestApiPost('/modalities/dicom-node/store',
              '{"Resources": ["' .. study .. '"], "Asynchronous": true}')
end
